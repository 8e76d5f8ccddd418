/** What the analysis and the archive say of runs and channels. */

import { type Listed, listed } from "./logbook.ts";
import { type Row, collection, number, text, time } from "./rows.ts";

export interface Reco {
  readonly id: string;
  readonly run: number | null;
  readonly channel: string;
  readonly quantity: string;
  readonly method: string;
  readonly value: number | null;
  readonly uncertainty: number | null;
  readonly unit: string;
  readonly reason: string;
  readonly analysedAt: number | null;
}

export interface Macro {
  readonly kind: string;
  readonly quantity: string;
  readonly method: string;
  readonly unit: string;
  readonly channels: number | null;
  readonly failed: number | null;
  readonly mean: number | null;
  readonly std: number | null;
  readonly minimum: number | null;
  readonly maximum: number | null;
}

export interface SlowControl {
  readonly pv: string;
  readonly unit: string;
  readonly mean: number | null;
  readonly minimum: number | null;
  readonly maximum: number | null;
  readonly rms: number | null;
  readonly alarmTime: number | null;
  readonly invalidTime: number | null;
}

export interface Remark {
  readonly field: string;
  readonly value: string;
  readonly at: number | null;
  readonly who: string;
}

const ALL = "100000";

export async function recoOfRun(run: string, signal?: AbortSignal): Promise<Listed<Reco>> {
  return listed(await collection("reco", { "filter[run_number][EQ]": run, sort: "channel_prefix,quantity", "page[limit]": ALL }, signal), recoOf);
}

export async function recoOfChannel(channel: string, most: number, signal?: AbortSignal): Promise<Listed<Reco>> {
  return listed(await collection("reco", { "filter[channel_prefix][EQ]": channel, sort: "-reco_id", "page[limit]": String(most) }, signal), recoOf);
}

export async function macroOfRun(run: string, signal?: AbortSignal): Promise<Listed<Macro>> {
  return listed(await collection("macro", { "filter[run_number][EQ]": run, "page[limit]": ALL }, signal), macroOf);
}

export async function slowControlOfRun(run: string, signal?: AbortSignal): Promise<Listed<SlowControl>> {
  return listed(await collection("slowcontrol", { "filter[run_number][EQ]": run, "page[limit]": ALL }, signal), slowControlOf);
}

export async function remarksOfRun(run: string, signal?: AbortSignal): Promise<Listed<Remark>> {
  return listed(await collection("remarks", { "filter[run_number][EQ]": run, sort: "-remark_id", "page[limit]": ALL }, signal), (row) => ({
    field: text(row, "field"),
    value: text(row, "value"),
    at: time(row, "at"),
    who: text(row, "who"),
  }));
}

function recoOf(row: Row): Reco {
  return {
    id: row.id,
    run: number(row, "run_number"),
    channel: text(row, "channel_prefix"),
    quantity: text(row, "quantity"),
    method: text(row, "method"),
    value: number(row, "value"),
    uncertainty: number(row, "uncertainty"),
    unit: text(row, "unit"),
    reason: text(row, "reason"),
    analysedAt: time(row, "analysed_at"),
  };
}

function macroOf(row: Row): Macro {
  return {
    kind: text(row, "kind"),
    quantity: text(row, "quantity"),
    method: text(row, "method"),
    unit: text(row, "unit"),
    channels: number(row, "channels"),
    failed: number(row, "failed"),
    mean: number(row, "mean"),
    std: number(row, "std"),
    minimum: number(row, "minimum"),
    maximum: number(row, "maximum"),
  };
}

function slowControlOf(row: Row): SlowControl {
  return {
    pv: text(row, "pv"),
    unit: text(row, "unit"),
    mean: number(row, "mean"),
    minimum: number(row, "minimum"),
    maximum: number(row, "maximum"),
    rms: number(row, "rms"),
    alarmTime: number(row, "alarm_time"),
    invalidTime: number(row, "invalid_time"),
  };
}
