/** Curves from the archive, ready to be drawn. */

/** One bin of an archived PV; `null` where the archive has no valid value. */
export interface Bin {
  readonly time: number;
  readonly mean: number | null;
  readonly minimum: number | null;
  readonly maximum: number | null;
  /** Why nothing was known in a part of the bin, or all of it; empty where all was known. */
  readonly gap: string;
}

export interface Curve {
  readonly pv: string;
  readonly unit: string;
  /** In the order of time. */
  readonly bins: readonly Bin[];
}

/** Times and, for each curve, mean, minimum, maximum and reason of a gap at these times. */
export interface Columns {
  readonly times: readonly number[];
  readonly values: readonly { readonly mean: Column; readonly minimum: Column; readonly maximum: Column; readonly gap: readonly (string | undefined)[] }[];
}

type Column = readonly (number | null | undefined)[];

/**
 * Curves on one axis of time.
 *
 * A bin without a value is `null` and breaks the line; a time that only another curve has is `undefined` and does not. Where bins of a
 * curve are missing altogether (further apart than one and a half of the bin width) the line is broken as well: what was not
 * archived must not look like a straight line. So it is behind a bin in a part of which nothing was known.
 *
 * @param widthS width of a bin, seconds.
 */
export function columns(curves: readonly Curve[], widthS: number): Columns {
  const broken = curves.map((curve) => withGaps(curve.bins, widthS));
  const times = [...new Set(broken.flatMap((bins) => bins.map((bin) => bin.time)))].sort((a, b) => a - b);
  const places = new Map(times.map((time, index) => [time, index]));
  const values = broken.map((bins) => {
    const column = { mean: blank(times.length), minimum: blank(times.length), maximum: blank(times.length), gap: new Array<string | undefined>(times.length).fill(undefined) };
    for (const bin of bins) {
      const place = places.get(bin.time) as number;
      column.mean[place] = bin.mean;
      column.minimum[place] = bin.minimum;
      column.maximum[place] = bin.maximum;
      column.gap[place] = bin.gap;
    }
    return column;
  });
  return { times, values };
}

/** Curves by unit, in the order in which the units first appear: what shares a unit shares an axis. */
export function byUnit(curves: readonly Curve[]): readonly { readonly unit: string; readonly curves: readonly Curve[] }[] {
  const groups = new Map<string, Curve[]>();
  for (const curve of curves) groups.set(curve.unit, [...(groups.get(curve.unit) ?? []), curve]);
  return [...groups].map(([unit, own]) => ({ unit, curves: own }));
}

/** Places of values that no line leads to, because nothing is known before and after: they have to be drawn as points. */
export function lone(column: Column): readonly number[] {
  const own = [...column.keys()].filter((place) => column[place] !== undefined);
  const known = (place: number | undefined): boolean => place !== undefined && column[place] !== null;
  return own.filter((place, index) => known(place) && !known(own[index - 1]) && !known(own[index + 1]));
}

function withGaps(bins: readonly Bin[], widthS: number): readonly Bin[] {
  const nothing = { mean: null, minimum: null, maximum: null };
  return bins.flatMap((bin, index) => {
    const before = bins[index - 1];
    const missing = before && bin.time - before.time > 1.5 * widthS ? [{ time: before.time + widthS, gap: "", ...nothing }] : [];
    const behind = bin.gap !== "" && bin.mean !== null ? [{ time: bin.time + widthS / 2, gap: bin.gap, ...nothing }] : [];
    return [...missing, bin, ...behind];
  });
}

function blank(length: number): (number | null | undefined)[] {
  return new Array<number | null | undefined>(length).fill(undefined);
}
