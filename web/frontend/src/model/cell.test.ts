import assert from "node:assert/strict";
import { test } from "node:test";

import { channelCell } from "./cell.ts";
import { type Channel, agedChannel, channelName } from "./channel.ts";
import { census } from "./detector.ts";
import { QUANTITIES, type Quantity, quantityOf } from "./quantity.ts";

const GOOD: Channel = {
  id: "HV13:CH01",
  prefix: "PADME:PVETO:HV13:CH01",
  subsystem: "PVETO",
  controller: "HV13",
  number: 1,
  sensor: "0042",
  state: "ON",
  severity: 0,
  masked: false,
  freshness: "fresh",
  heardAt: 1000,
  values: { bias: 56, current: 0.1, temperature: 25, overvoltage: 4, gain: 1.3e6, dark_rate: null },
};
const BIAS = QUANTITIES[0] as Quantity;
const SCALE = { low: 54, high: 58 };

const LOOKS: readonly [string, Partial<Channel>, string, string, string][] = [
  // what, change, look, glyph, tone
  ["all well", {}, "value", "", "ok"],
  ["minor", { severity: 1 }, "value", "!", "minor"],
  ["major", { severity: 2 }, "value", "▲", "major"],
  ["invalid", { severity: 3 }, "unknown", "?", "invalid"],
  ["ramping", { state: "RAMPING_UP" }, "value", "↑", "ok"],
  ["ramping in alarm", { state: "RAMPING_DOWN", severity: 1 }, "value", "!↓", "minor"],
  ["off", { state: "OFF" }, "off", "–", "ok"],
  ["tripped", { state: "TRIPPED", severity: 2 }, "tripped", "T", "major"],
  ["interlocked", { state: "INTERLOCKED", severity: 1 }, "interlocked", "I", "minor"],
  ["error", { state: "ERROR", severity: 2 }, "error", "E", "major"],
  ["masked, whatever its alarm", { masked: true, severity: 2, state: "TRIPPED" }, "masked", "", "ok"],
  ["stale, although its values look good", { freshness: "stale" }, "stale", "", "ok"],
  ["lost", { freshness: "lost", severity: 3 }, "lost", "", "ok"],
  ["state not known", { state: null }, "unknown", "?", "ok"],
  ["device disconnected", { state: "DISCONNECTED" }, "lost", "", "ok"],
  ["on without a value", { values: { ...GOOD.values, bias: null } }, "unknown", "?", "ok"],
];

for (const [what, change, look, glyph, tone] of LOOKS) {
  test(`a cell: ${what}`, () => {
    const cell = channelCell({ ...GOOD, ...change }, BIAS, SCALE, 1300);
    assert.deepEqual([cell.look, cell.glyph, cell.tone], [look, glyph, tone]);
    assert.equal(Number.isNaN(cell.part), look !== "value");
    assert.equal(cell.text !== "", look === "value", "a number stands only where it is a present one");
  });
}

test("a dead channel says since when, and no value", () => {
  const { label } = channelCell({ ...GOOD, freshness: "lost" }, BIAS, SCALE, 1300);
  assert.equal(label, "HV13 channel 1, disconnected, last heard 5 min ago");
  assert.match(channelCell({ ...GOOD, freshness: "lost", heardAt: null }, BIAS, SCALE, 1300).label, /never heard/);
});

test("what does not need bias is shown of a channel that is off", () => {
  const off: Channel = { ...GOOD, state: "OFF" };
  assert.equal(channelCell(off, quantityOf("temperature"), { low: 20, high: 30 }, 0).text, "25.0");
  assert.equal(channelCell(off, quantityOf("dark_rate"), null, 0).look, "none");
  assert.equal(channelCell(GOOD, quantityOf("gain"), { low: 1, high: 2 }, 0).text, "1.30");
});

test("states are shown in words and shades", () => {
  assert.equal(channelCell(GOOD, null, null, 0).text, "ON");
  assert.equal(channelCell({ ...GOOD, state: "STANDBY" }, null, null, 0).look, "off");
});

test("what was fresh is stale once the server is silent for long", () => {
  assert.equal(agedChannel(GOOD, 9).freshness, "fresh");
  assert.equal(agedChannel(GOOD, 11).freshness, "stale");
  assert.equal(agedChannel({ ...GOOD, freshness: "lost" }, 11).freshness, "lost");
});

test("census: what nobody hears is neither on nor off", () => {
  const channels: Channel[] = [
    GOOD,
    { ...GOOD, state: "RAMPING_UP" },
    { ...GOOD, state: "TRIPPED", severity: 2 },
    { ...GOOD, freshness: "stale" },
    { ...GOOD, freshness: "lost", severity: 3, state: "DISCONNECTED" },
    { ...GOOD, masked: true, severity: 2 },
    { ...GOOD, state: "OFF" },
  ];
  assert.deepEqual(census(channels), { all: 7, on: 2, tripped: 1, inAlarm: 1, masked: 1, unheard: 2 });
});

test("the name of a channel in its PVs", () => assert.equal(channelName("PADME:PVETO:HV13:CH01"), "HV13:CH01"));
