/** Numbers with their units as people read them. */

const UNITS: Readonly<Record<string, string>> = {
  uA: "µA",
  degC: "°C",
  "10^{3}Hz": "kHz",
  "\\mu A": "µA",
  "^{\\circ}C": "°C",
};

/** An EPICS or LaTeX unit in Unicode. */
export function unitText(unit: string | null | undefined): string {
  if (!unit) return "";
  return UNITS[unit] ?? unit.replace(/\\mu\s*/g, "µ").replace(/\^\{\\circ\}/g, "°").replace(/\^\{(-?\d+)\}/g, "^$1");
}

/** A count, in groups of three. */
export function countText(value: number | null): string {
  return value === null ? "–" : String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** How many there are in all: "12 345", or "more than 10 000" of a lower bound. */
export function totalText(counted: { readonly total: number; readonly totalIsLowerBound: boolean }): string {
  return counted.totalIsLowerBound ? `more than ${countText(counted.total - 1)}` : countText(counted.total);
}

/** Fixed digits, or four significant ones. */
export function numberText(value: number | null | undefined, digits?: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (digits !== undefined) return value.toFixed(digits).replace(/^-(0(\.0+)?)$/, "$1").replace("-", "−");
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e6 || size < 1e-3) return value.toExponential(3).replace("e+", "e").replace(/-/g, "−");
  return value.toFixed(Math.max(0, 3 - Math.floor(Math.log10(size || 1)))).replace("-", "−");
}
