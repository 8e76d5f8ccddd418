/** Channels, controllers and services, live. */

import type { Channel, ChannelState } from "../model/channel.ts";
import { monotonic, serverTimeAt } from "./clock.ts";
import { type Page, type Row, collection, number, text } from "./rows.ts";
import { severityOf } from "../model/severity.ts";

/** Polls without a heartbeat of the controller after which values are stale, and the shortest time. */
const STALE_POLLS = 5;
const STALE_S = 5;
const ALL = "100000";

const CHANNEL_FIELDS =
  "name,subsystem,controller_name,number,pv_prefix,sensor,voltage,current,temperature,overvoltage,gain,dark_rate,masked,state,severity,connected,age";

export interface Service {
  readonly name: string;
  readonly kind: string;
  readonly runs: boolean;
  readonly age: number | null;
  readonly errors: number | null;
  readonly lastError: string;
}

export interface Detector {
  readonly channels: readonly Channel[];
  readonly warnings: readonly string[];
}

/** All channels, in the order of the site file. */
export async function detector(signal?: AbortSignal): Promise<Detector> {
  const [channels, controllers] = await Promise.all([
    collection("channels", { fields: CHANNEL_FIELDS, include: "data_only", sort: "position", "page[limit]": ALL }, signal),
    collection("controllers", { fields: "name,poll_period", include: "data_only", "page[limit]": ALL }, signal),
  ]);
  return { channels: channelsOf(channels, pollPeriods(controllers)), warnings: channels.warnings };
}

/** One channel with all that is known of it; `null` if there is none of that name. */
export async function oneChannel(name: string, signal?: AbortSignal): Promise<{ readonly channel: Channel; readonly row: Row } | null> {
  const page = await collection("channels", { "filter[name][EQ]": name }, signal);
  const row = page.rows[0];
  if (!row) return null;
  const controllers = await collection("controllers", { "filter[name][EQ]": text(row, "controller_name"), fields: "name,poll_period" }, signal);
  const channel = channelsOf(page, pollPeriods(controllers))[0];
  return channel ? { channel, row } : null;
}

export async function services(signal?: AbortSignal): Promise<readonly Service[]> {
  const page = await collection("services", { fields: "name,kind,state,age,errors,last_error", "page[limit]": ALL }, signal);
  return page.rows.map((row) => ({
    name: text(row, "name"),
    kind: text(row, "kind"),
    runs: row.attributes["state"] === "RUNNING",
    age: number(row, "age"),
    errors: number(row, "errors"),
    lastError: text(row, "last_error"),
  }));
}

function pollPeriods(page: Page): ReadonlyMap<string, number> {
  return new Map(page.rows.map((row) => [text(row, "name"), number(row, "poll_period") ?? 1]));
}

function channelsOf(page: Page, periods: ReadonlyMap<string, number>): readonly Channel[] {
  const now = serverTimeAt(monotonic());
  return page.rows.map((row) => {
    const state = (text(row, "state") || null) as ChannelState | null;
    const age = number(row, "age");
    const limit = Math.max(STALE_S, STALE_POLLS * (periods.get(text(row, "controller_name")) ?? 1));
    const lost = row.attributes["connected"] !== true || state === "DISCONNECTED" || age === null;
    return {
      id: text(row, "name"),
      prefix: text(row, "pv_prefix"),
      subsystem: text(row, "subsystem"),
      controller: text(row, "controller_name"),
      number: number(row, "number") ?? NaN,
      sensor: text(row, "sensor"),
      state,
      severity: severityOf(row.attributes["severity"]),
      masked: row.attributes["masked"] === true,
      freshness: lost ? "lost" : age > limit ? "stale" : "fresh",
      heardAt: age === null ? null : now - age,
      values: {
        bias: number(row, "voltage"),
        current: number(row, "current"),
        temperature: number(row, "temperature"),
        overvoltage: number(row, "overvoltage"),
        gain: number(row, "gain"),
        dark_rate: number(row, "dark_rate"),
      },
    };
  });
}
