/** A channel as the page knows it. */

import type { QuantityKey } from "./quantity.ts";
import type { Severity } from "./severity.ts";

export type ChannelState =
  | "DISCONNECTED"
  | "OFF"
  | "STANDBY"
  | "RAMPING_UP"
  | "ON"
  | "RAMPING_DOWN"
  | "TRIPPED"
  | "INTERLOCKED"
  | "ERROR";

export interface Channel {
  /** `CTRL:CHnn`. */
  readonly id: string;
  /** Of its PVs, `DET:SUB:CTRL:CHnn`. */
  readonly prefix: string;
  readonly subsystem: string;
  readonly controller: string;
  readonly number: number;
  /** Serial number of its SiPM; empty if it is not known. */
  readonly sensor: string;
  /** `null` if it is not known. */
  readonly state: ChannelState | null;
  readonly severity: Severity;
  readonly masked: boolean;
  /** Whether its values may be taken for present ones. */
  readonly freshness: "fresh" | "stale" | "lost";
  /** When the controller was last heard, Unix seconds of the server; `null` if never. */
  readonly heardAt: number | null;
  readonly values: Readonly<Record<QuantityKey, number | null>>;
}

/** Ramping and ON: there is bias. */
export function isOn(state: ChannelState | null): boolean {
  return state === "ON" || state === "RAMPING_UP" || state === "RAMPING_DOWN";
}

/** `CTRL:CHnn` of a prefix `DET:SUB:CTRL:CHnn`. */
export function channelName(prefix: string): string {
  return prefix.split(":").slice(2).join(":");
}

/** Seconds without an answer of the server after which nothing it said counts as fresh. */
const LONGEST_SILENCE_S = 10;

/** A channel `sinceS` seconds after the server spoke of it: what was fresh then is stale after a while. */
export function agedChannel(channel: Channel, sinceS: number): Channel {
  return channel.freshness === "fresh" && sinceS > LONGEST_SILENCE_S ? { ...channel, freshness: "stale" } : channel;
}
