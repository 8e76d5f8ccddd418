/** History, from the archive. */

import type { Range } from "../model/range.ts";
import type { Curve } from "../model/trend.ts";
import { collection, number, text } from "./rows.ts";

export interface History {
  readonly curve: Curve;
  /** Width of a bin, seconds. */
  readonly widthS: number;
}

/** One PV in about `count` bins. */
export async function history(pv: string, range: Range, count: number, signal?: AbortSignal): Promise<History> {
  const page = await collection(
    "archive",
    {
      "filter[pv][EQ]": pv,
      "filter[time][GE]": new Date(range.from * 1000).toISOString(),
      "filter[time][LT]": new Date(range.to * 1000).toISOString(),
      "group[count]": String(count),
      fields: "width,epoch,mean,minimum,maximum,gap,unit",
      sort: "epoch",
      "page[limit]": "100000",
    },
    signal,
  );
  const bins = page.rows.map((row) => ({
    time: number(row, "epoch") ?? NaN,
    mean: number(row, "mean"),
    minimum: number(row, "minimum"),
    maximum: number(row, "maximum"),
    gap: text(row, "gap"),
  }));
  const first = page.rows[0];
  return {
    curve: { pv, unit: first ? text(first, "unit") : "", bins },
    widthS: (first && number(first, "width")) || Math.max(1, (range.to - range.from) / count),
  };
}

/** Names of archived PVs that contain a text, and how many there are. */
export async function findPvs(part: string, most: number, signal?: AbortSignal): Promise<readonly string[]> {
  const page = await collection("pvs", { "filter[pv][CT]": part, fields: "pv", sort: "pv", "page[limit]": String(most) }, signal);
  return page.rows.map((row) => text(row, "pv"));
}
