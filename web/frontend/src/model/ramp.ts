/**
 * The colours of the heat map: one hue from pale to deep, so that lightness alone carries the value.
 *
 * Whoever cannot tell colours apart, or prints the page in grey, reads the same; red, yellow and magenta stay free for alarms. In the dark
 * the scale runs the other way: what is high stands out from the background in both.
 */

type Colour = readonly [number, number, number];

const LIGHT: readonly Colour[] = [
  [232, 240, 247],
  [183, 208, 228],
  [122, 167, 203],
  [66, 120, 168],
  [29, 77, 125],
  [11, 39, 74],
];

const DARK: readonly Colour[] = [
  [22, 39, 61],
  [28, 66, 104],
  [40, 103, 152],
  [81, 147, 194],
  [141, 191, 226],
  [213, 233, 247],
];

export interface Shade {
  readonly fill: string;
  /** Text that is readable on it. */
  readonly text: string;
}

/** Shades are few, so that a cell whose value only jitters is not painted again. */
export const SHADES = 64;

const shades = (ramp: readonly Colour[]): readonly Shade[] =>
  Array.from({ length: SHADES }, (_, i) => {
    const colour = between(ramp, i / (SHADES - 1));
    return { fill: `rgb(${colour.join(" ")})`, text: luminance(colour) > 0.179 ? "#000000" : "#ffffff" };
  });

const TABLES = { light: shades(LIGHT), dark: shades(DARK) } as const;

export type Theme = keyof typeof TABLES;

/** The shade of a fraction from 0 to 1. */
export function shade(theme: Theme, part: number): Shade {
  const table = TABLES[theme];
  return table[Math.round(Math.min(Math.max(part, 0), 1) * (SHADES - 1))] as Shade;
}

/** WCAG 2 relative luminance, 0 to 1. */
export function luminance([red, green, blue]: Colour): number {
  const linear = (channel: number): number => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** WCAG 2 contrast of two luminances, 1 to 21. */
export function contrast(first: number, second: number): number {
  return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
}

function between(ramp: readonly Colour[], part: number): Colour {
  const place = part * (ramp.length - 1);
  const index = Math.min(Math.floor(place), ramp.length - 2);
  const [from, to] = [ramp[index] as Colour, ramp[index + 1] as Colour];
  return from.map((channel, i) => Math.round(channel + ((to[i] as number) - channel) * (place - index))) as unknown as Colour;
}
