/** When to ask again. */

const LONGEST_S = 60;

/** Seconds until the next request: the period, doubled with each failure in a row, a minute at most (or the period, if that is longer). */
export function pauseAfter(periodS: number, failures: number): number {
  return Math.min(periodS * 2 ** Math.min(failures, 16), Math.max(LONGEST_S, periodS));
}
