/** Durations and times as people read them; all times are UTC. */

/** Two units at most: `4 s`, `2 min 5 s`, `1 h 05 min`, `3 d 4 h`. */
export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown";
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  if (minutes >= 10) return `${minutes} min`;
  if (minutes > 0) return whole % 60 > 0 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${whole} s`;
}

/** The shortest that says how old something is: `4 s`, `2 min`, `5 h`, `3 d`. */
export function ageText(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown";
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86_400)} d`;
}

/** `2026-11-21 13:25:10`; an empty text if there is no time. */
export function timeText(moment: number | null): string {
  return moment === null || !Number.isFinite(moment) ? "" : new Date(moment * 1000).toISOString().slice(0, 19).replace("T", " ");
}

/** `13:25:10`. */
export function clockText(moment: number): string {
  return timeText(moment).slice(11);
}

/** Unix seconds of an ISO time; a time without zone is UTC. `null` if it is none. */
export function parseTime(value: unknown): number | null {
  if (typeof value !== "string" || value === "") return null;
  const iso = value.replace(" ", "T");
  const moment = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(iso) ? iso : `${iso}Z`);
  return Number.isNaN(moment) ? null : moment / 1000;
}
