/** Rows of the OMS dialect, read with care: an answer that is none of ours must not show as values. */

import { parseTime } from "../model/duration.ts";
import { type Answer, RequestFailed, request } from "./request.ts";

export interface Row {
  readonly id: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** What else is known of a value: its unit, the time it was taken. */
  readonly notes: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface Page {
  readonly rows: readonly Row[];
  /** Rows that match, on whatever page. */
  readonly total: number;
  /** Whether that is a lower bound: of very many rows no more are counted. */
  readonly totalIsLowerBound: boolean;
  /** What the reader has to know, such as a source that is away. */
  readonly warnings: readonly string[];
}

/** Rows of a collection. */
export async function collection(resource: string, query: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Page> {
  return readPage(await request(resource, query, signal));
}

/** Taken apart. @throws RequestFailed it is not an answer of the API. */
export function readPage({ document }: Pick<Answer, "document">): Page {
  const { data, meta } = asRecord(document);
  const about = asRecord(meta);
  const rows = (Array.isArray(data) ? data : data && typeof data === "object" ? [data] : null)?.map(readRow);
  if (!rows) throw new RequestFailed("the answer is not one of the aggregation API");
  const total = about["totalResourceCount"];
  const warnings = about["warnings"];
  return {
    rows,
    total: typeof total === "number" ? total : rows.length,
    totalIsLowerBound: about["totalIsLowerBound"] === true,
    warnings: Array.isArray(warnings) ? warnings.map(String) : [],
  };
}

function readRow(value: unknown): Row {
  const row = asRecord(value);
  if (typeof row["attributes"] !== "object" || row["attributes"] === null) throw new RequestFailed("the answer is not one of the aggregation API");
  const notes = asRecord(asRecord(row["meta"])["row"]);
  return { id: String(row["id"]), attributes: asRecord(row["attributes"]), notes: notes as Row["notes"] };
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** A number; `null` if there is none. */
export function number(row: Row, name: string): number | null {
  const value = row.attributes[name];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** A text; empty if there is none. */
export function text(row: Row, name: string): string {
  const value = row.attributes[name];
  return value === null || value === undefined ? "" : String(value);
}

/** A time, Unix seconds; `null` if there is none. */
export function time(row: Row, name: string): number | null {
  return parseTime(row.attributes[name]);
}
