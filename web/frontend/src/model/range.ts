/** Time ranges that the page offers. */

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface NamedRange {
  readonly key: string;
  readonly title: string;
  readonly seconds: number;
}

export const TREND_RANGES: readonly NamedRange[] = [
  { key: "15m", title: "15 min", seconds: 900 },
  { key: "1h", title: "1 h", seconds: 3600 },
  { key: "6h", title: "6 h", seconds: 21_600 },
  { key: "1d", title: "1 day", seconds: 86_400 },
  { key: "7d", title: "7 days", seconds: 604_800 },
  { key: "30d", title: "30 days", seconds: 2_592_000 },
];

export const DOWNTIME_RANGES: readonly NamedRange[] = [
  { key: "1d", title: "1 day", seconds: 86_400 },
  { key: "7d", title: "7 days", seconds: 604_800 },
  { key: "30d", title: "30 days", seconds: 2_592_000 },
  { key: "365d", title: "1 year", seconds: 31_536_000 },
];

/** The range of a key that ends now; a pair `from..to` of Unix seconds is a range of its own. `null` if it is neither. */
export function rangeOf(key: string, offered: readonly NamedRange[], now: number): Range | null {
  const named = offered.find((range) => range.key === key);
  if (named) return Number.isFinite(now) ? { from: now - named.seconds, to: now } : null;
  const [from, to] = key.split("..").map(Number);
  return from !== undefined && to !== undefined && from < to && Number.isFinite(from) && Number.isFinite(to) ? { from, to } : null;
}

/** A range of its own as a key. */
export function keyOf(range: Range): string {
  return `${Math.floor(range.from)}..${Math.ceil(range.to)}`;
}
