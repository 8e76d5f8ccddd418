/** Channels in the order in which the detector is built: subsystems, their controllers, their channels. */

import { type Channel, isOn } from "./channel.ts";

export interface ControllerRow<T> {
  readonly name: string;
  readonly channels: readonly T[];
}

export interface Subsystem<T> {
  readonly name: string;
  readonly controllers: readonly ControllerRow<T>[];
}

interface Placed {
  readonly subsystem: string;
  readonly controller: string;
  readonly number: number;
}

/** Grouped by subsystem and controller, in the order in which these first appear; channels by number. */
export function bySubsystem<T extends Placed>(channels: readonly T[]): readonly Subsystem<T>[] {
  const subsystems = new Map<string, Map<string, T[]>>();
  for (const channel of channels) {
    const controllers = getOrAdd(subsystems, channel.subsystem, () => new Map<string, T[]>());
    getOrAdd(controllers, channel.controller, () => []).push(channel);
  }
  return [...subsystems].map(([name, controllers]) => ({
    name,
    controllers: [...controllers].map(([controller, own]) => ({
      name: controller,
      channels: own.sort((a, b) => a.number - b.number),
    })),
  }));
}

export interface Census {
  readonly all: number;
  readonly on: number;
  readonly tripped: number;
  /** MINOR, MAJOR or INVALID, masked and unheard channels left out. */
  readonly inAlarm: number;
  readonly masked: number;
  /** Stale or disconnected: nobody knows how they are. */
  readonly unheard: number;
}

/** How many channels are how. What is not heard counts as neither on nor off. */
export function census(channels: readonly Channel[]): Census {
  const used = channels.filter((channel) => !channel.masked);
  const heard = used.filter((channel) => channel.freshness === "fresh" && channel.state !== null && channel.state !== "DISCONNECTED");
  return {
    all: channels.length,
    on: heard.filter((channel) => isOn(channel.state)).length,
    tripped: heard.filter((channel) => channel.state === "TRIPPED").length,
    inAlarm: heard.filter((channel) => channel.severity > 0).length,
    masked: channels.length - used.length,
    unheard: used.length - heard.length,
  };
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
