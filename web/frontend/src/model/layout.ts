/** How the heat map fills its width. */

/** Narrowest column in which 16 cells can still be told apart and hit, rem. */
const NARROWEST = 26;
/** Rows below which a further column makes nothing better. */
const FEWEST_ROWS = 16;

/** Columns of controllers, at least one: as many as fit, unless the rows are few. */
export function columnsFor(rows: number, width: number): number {
  return Math.max(1, Math.min(Math.floor(width / NARROWEST), Math.ceil(rows / FEWEST_ROWS)));
}
