/** What cost the most time: downtimes by category, largest first. */

export interface Interval {
  readonly category: string;
  readonly startedAt: number;
  /** `null`: still going on. */
  readonly endedAt: number | null;
}

export interface Bar {
  readonly category: string;
  readonly seconds: number;
  readonly count: number;
  /** Share of the total up to and with this bar, 0 to 1. */
  readonly cumulative: number;
}

/**
 * Time without data by category within `[from, to)`, largest first; equal ones by name.
 *
 * Intervals are cut at the ends of the range, and open ones end with it. Where intervals of one category overlap (two detectors
 * down for the same reason) the time counts once. Intervals outside the range are left out.
 */
export function pareto(intervals: readonly Interval[], from: number, to: number): readonly Bar[] {
  const groups = new Map<string, [number, number][]>();
  for (const { category, startedAt, endedAt } of intervals) {
    const [start, end] = [Math.max(startedAt, from), Math.min(endedAt ?? to, to)];
    if (startedAt >= to || end < start) continue;
    groups.set(category, [...(groups.get(category) ?? []), [start, end]]);
  }
  const bars = [...groups].map(([category, spans]) => ({ category, seconds: covered(spans), count: spans.length }));
  bars.sort((a, b) => b.seconds - a.seconds || a.category.localeCompare(b.category));
  const total = bars.reduce((sum, bar) => sum + bar.seconds, 0);
  let sum = 0;
  return bars.map((bar) => {
    sum += bar.seconds;
    return { ...bar, cumulative: total > 0 ? sum / total : 0 };
  });
}

/** Length of the union of intervals. */
export function covered(spans: readonly (readonly [number, number])[]): number {
  let [length, reached] = [0, -Infinity];
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    length += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return length;
}
