/** EPICS severities, worst last, and how each looks without its colour. */

export type Severity = 0 | 1 | 2 | 3;

export interface SeverityLook {
  readonly name: string;
  readonly glyph: string;
  /** Class of the style sheet. */
  readonly tone: string;
}

export const SEVERITIES: readonly [SeverityLook, SeverityLook, SeverityLook, SeverityLook] = [
  { name: "OK", glyph: "", tone: "ok" },
  { name: "MINOR", glyph: "!", tone: "minor" },
  { name: "MAJOR", glyph: "▲", tone: "major" },
  { name: "INVALID", glyph: "?", tone: "invalid" },
];

/** A severity by number or name; what nobody knows is INVALID, never OK. */
export function severityOf(value: unknown): Severity {
  if (value === 0 || value === 1 || value === 2 || value === 3) return value;
  const name = String(value).toUpperCase().replace(/_ACK$/, "");
  if (name === "NO_ALARM" || name === "OK") return 0;
  if (name === "MINOR") return 1;
  if (name === "MAJOR") return 2;
  return 3;
}
