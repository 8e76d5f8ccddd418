/** Marks of an axis of time, UTC, 24 hours; the date stands below the first mark of each day. */

const DAY_S = 86_400;

/** Texts for marks at Unix seconds that lie `stepS` apart. */
export function timeMarks(marks: readonly number[], stepS: number): string[] {
  let day = NaN;
  return marks.map((mark) => {
    const iso = new Date(mark * 1000).toISOString();
    if (stepS >= DAY_S) return iso.slice(0, 10);
    const [before, time] = [day, iso.slice(11, stepS < 60 ? 19 : 16)];
    day = Math.floor(mark / DAY_S);
    return day === before ? time : `${time}\n${iso.slice(0, 10)}`;
  });
}
