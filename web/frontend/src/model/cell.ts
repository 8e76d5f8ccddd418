/** What one cell of the heat map says, worked out from what is known of its channel. */

import { type Channel, isOn } from "./channel.ts";
import { ageText } from "./duration.ts";
import { numberText } from "./number.ts";
import type { Quantity } from "./quantity.ts";
import { type Scale, fraction } from "./scale.ts";
import { SEVERITIES } from "./severity.ts";

/** How a cell is drawn; class of the style sheet. */
export type Look = "value" | "none" | "off" | "masked" | "stale" | "lost" | "unknown" | "tripped" | "interlocked" | "error";

export interface Cell {
  readonly id: string;
  readonly look: Look;
  /** Place on the colour scale, 0 to 1; NaN unless `look` is `value`. */
  readonly part: number;
  /** One or two signs that say the same as the colours. */
  readonly glyph: string;
  /** The value, if there is room for it. */
  readonly text: string;
  /** Class of the outline. */
  readonly tone: string;
  /** All of it in words. */
  readonly label: string;
}

export const LOOKS: Readonly<Record<Exclude<Look, "value">, { readonly title: string; readonly glyph: string }>> = {
  none: { title: "no value yet", glyph: "·" },
  off: { title: "off", glyph: "–" },
  masked: { title: "masked", glyph: "" },
  stale: { title: "stale", glyph: "" },
  lost: { title: "disconnected", glyph: "" },
  unknown: { title: "no valid value", glyph: "?" },
  tripped: { title: "tripped", glyph: "T" },
  interlocked: { title: "interlock", glyph: "I" },
  error: { title: "error", glyph: "E" },
};

const STATE_LOOKS: Readonly<Partial<Record<string, Look>>> = {
  OFF: "off",
  STANDBY: "off",
  TRIPPED: "tripped",
  INTERLOCKED: "interlocked",
  ERROR: "error",
};

/** Where the state ON lies on the colour scale when states are shown. */
const ON_PART = 0.6;

/**
 * The cell of a channel.
 *
 * @param quantity what is shown; `null` for the state.
 * @param now the server's time, Unix seconds.
 */
export function channelCell(channel: Channel, quantity: Quantity | null, scale: Scale | null, now: number): Cell {
  const raw = quantity ? channel.values[quantity.key] : null;
  const value = quantity && raw !== null ? raw * quantity.factor : NaN;
  const look = lookOf(channel, quantity, value);
  const severity = SEVERITIES[channel.severity];
  const shown = look === "value" || look === "tripped" || look === "interlocked" || look === "error";
  const tone = shown || look === "unknown" ? severity.tone : "ok";
  const number = quantity && Number.isFinite(value) ? numberText(value, quantity.digits) : "";
  const motion = channel.state === "RAMPING_UP" ? "↑" : channel.state === "RAMPING_DOWN" ? "↓" : "";
  const part = look !== "value" ? NaN : !quantity ? (channel.state === "ON" ? ON_PART : ON_PART / 2) : scale ? fraction(scale, value) : 0.5;
  return {
    id: channel.id,
    look,
    part,
    glyph: look === "value" ? (tone === "ok" ? "" : severity.glyph) + motion : LOOKS[look].glyph,
    text: look === "value" ? number || (channel.state === "ON" ? "ON" : "") : "",
    tone,
    label: labelOf(channel, look, quantity && number ? `${quantity.title} ${number} ${quantity.unit}`.trim() : "", now),
  };
}

function lookOf(channel: Channel, quantity: Quantity | null, value: number): Look {
  if (channel.masked) return "masked";
  if (channel.freshness !== "fresh") return channel.freshness;
  if (channel.state === null) return "unknown";
  if (channel.state === "DISCONNECTED") return "lost";
  if (!quantity || quantity.needsBias) {
    const look = STATE_LOOKS[channel.state];
    if (look) return look;
  }
  if (!quantity) return "value";
  if (!Number.isFinite(value)) return isOn(channel.state) && quantity.needsBias ? "unknown" : "none";
  return channel.severity === 3 ? "unknown" : "value";
}

function labelOf(channel: Channel, look: Look, value: string, now: number): string {
  const parts = [`${channel.controller} channel ${channel.number}`];
  if (look === "masked" || look === "stale" || look === "lost" || look === "unknown") parts.push(LOOKS[look].title);
  if (channel.state && look !== "lost" && look !== "stale") parts.push(channel.state.toLowerCase().replace("_", " "));
  if (value && look !== "lost" && look !== "stale") parts.push(value);
  if (channel.severity > 0 && look !== "lost" && look !== "stale") parts.push(SEVERITIES[channel.severity].name);
  if (look === "stale" || look === "lost") {
    parts.push(channel.heardAt === null ? "never heard" : `last heard ${ageText(now - channel.heardAt)} ago`);
  }
  return parts.join(", ");
}
