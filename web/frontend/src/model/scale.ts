/** Which values are pale and which are deep on the heat map. */

export interface Scale {
  readonly low: number;
  readonly high: number;
}

/** Where a value lies, 0 to 1; values outside are cut. */
export function fraction(scale: Scale, value: number): number {
  return Math.min(Math.max((value - scale.low) / (scale.high - scale.low), 0), 1);
}

/**
 * A scale with round ends that holds nearly all values.
 *
 * The outermost 2 % are left out, so that one bad channel does not make all others look alike; `previous` is kept while the values
 * fill at least 40 % of it and do not leave it, so that colours do not jump between two refreshes.
 *
 * @param smallestSpan span below which differences are noise.
 * @returns `previous` if there are no values.
 */
export function fitScale(values: readonly number[], smallestSpan: number, previous: Scale | null = null): Scale | null {
  const finite = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (finite.length === 0) return previous;
  let low = percentile(finite, 0.02);
  let high = percentile(finite, 0.98);
  if (high - low < smallestSpan) {
    const middle = (low + high) / 2;
    low = middle - smallestSpan / 2;
    high = middle + smallestSpan / 2;
  }
  if (previous && previous.low <= low && high <= previous.high && high - low >= 0.4 * (previous.high - previous.low)) return previous;
  const step = roundStep((high - low) / 4);
  return { low: clean(Math.floor(low / step) * step), high: clean(Math.ceil(high / step) * step) };
}

/** The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `rough`. */
export function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5, 10].find((step) => step * power >= rough * (1 - 1e-9));
  return (factor ?? 10) * power;
}

/** Round marks from 0 to at least `top`, about `count` of them. */
export function marksFromZero(top: number, count: number): readonly number[] {
  if (!(top > 0)) return [0, 1];
  const step = roundStep(top / count);
  return Array.from({ length: Math.ceil(top / step - 1e-9) + 1 }, (_, i) => clean(i * step));
}

/** Linear between neighbours; `sorted` is not empty. */
function percentile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const [first, second] = [sorted[below] ?? NaN, sorted[Math.min(below + 1, sorted.length - 1)] ?? NaN];
  return first + (second - first) * (place - below);
}

/** Without the dust of binary fractions: 0.30000000000000004 is 0.3. */
function clean(value: number): number {
  return Number(value.toPrecision(12));
}
