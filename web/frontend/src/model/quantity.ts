/** What can be shown of a channel: title, unit, digits, and the record that holds it. */

export type QuantityKey = "bias" | "current" | "temperature" | "overvoltage" | "gain" | "dark_rate";

export interface Quantity {
  readonly key: QuantityKey;
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  /** What a value of the API is multiplied with before it is shown. */
  readonly factor: number;
  /** Span below which differences are noise. */
  readonly smallestSpan: number;
  /** Last part of the PV name. */
  readonly property: string;
  /** Nothing to see while the channel is off. */
  readonly needsBias: boolean;
}

export const QUANTITIES: readonly Quantity[] = [
  { key: "bias", title: "Bias", unit: "V", digits: 2, factor: 1, smallestSpan: 0.5, property: "VMON_RBV", needsBias: true },
  { key: "current", title: "Current", unit: "µA", digits: 2, factor: 1, smallestSpan: 0.1, property: "CURRENT_RBV", needsBias: true },
  { key: "temperature", title: "Temperature", unit: "°C", digits: 1, factor: 1, smallestSpan: 2, property: "TEMP_RBV", needsBias: false },
  { key: "overvoltage", title: "Overvoltage", unit: "V", digits: 2, factor: 1, smallestSpan: 0.5, property: "OVERVOLTAGE_RBV", needsBias: true },
  { key: "gain", title: "Gain", unit: "10⁶ e", digits: 2, factor: 1e-6, smallestSpan: 0.1, property: "GAIN", needsBias: false },
  { key: "dark_rate", title: "Dark rate", unit: "kHz", digits: 0, factor: 1, smallestSpan: 10, property: "DARK_RATE", needsBias: false },
];

export function quantityOf(key: string): Quantity | null {
  return QUANTITIES.find((quantity) => quantity.key === key) ?? null;
}
