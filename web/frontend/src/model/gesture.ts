/** What fingers on a chart do to its range. */

import type { Range } from "./range.ts";

const LEAST_S = 2;
const MOST_S = 366 * 86_400;
/** Fingers that lie one above the other would stretch the range to no end. */
const LEAST_GAP = 0.02;
/** Of the range: a finger that taps trembles. */
const LEAST_MOVE = 0.02;

/**
 * The range after fingers moved: what lay under each of them still does.
 *
 * @param before Where they lay, as fractions of the width of the chart: one finger drags, two pinch.
 * @param after Where they lie now.
 * @param latest Nothing is known after it: the range does not end later, Unix seconds.
 */
export function moved(range: Range, before: readonly number[], after: readonly number[], latest: number): Range {
  const span = range.to - range.from;
  const [a0 = 0, b0] = before;
  const [a1 = a0, b1 = b0] = after;
  let wide = span;
  if (b0 !== undefined && b1 !== undefined) {
    const gap = Math.max(Math.abs(b1 - a1), LEAST_GAP);
    wide = Math.min(MOST_S, Math.max(LEAST_S, (span * Math.max(Math.abs(b0 - a0), LEAST_GAP)) / gap));
  }
  const [middle0, middle1] = b0 === undefined || b1 === undefined ? [a0, a1] : [(a0 + b0) / 2, (a1 + b1) / 2];
  const from = range.from + middle0 * span - middle1 * wide;
  const late = Math.max(0, from + wide - Math.max(latest, range.to));
  return { from: from - late, to: from + wide - late };
}

/** Whether somebody meant to leave `before` for `after`. */
export function differs(after: Range, before: Range): boolean {
  return Math.max(Math.abs(after.from - before.from), Math.abs(after.to - before.to)) >= LEAST_MOVE * (before.to - before.from);
}
