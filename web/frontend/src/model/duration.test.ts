import assert from "node:assert/strict";
import { test } from "node:test";

import { ageText, clockText, durationText, parseTime, timeText } from "./duration.ts";

const DURATIONS: readonly [number, string][] = [
  [0, "0 s"],
  [59.9, "59 s"],
  [60, "1 min"],
  [125, "2 min 5 s"],
  [754, "12 min"],
  [3600, "1 h 00 min"],
  [3905, "1 h 05 min"],
  [86_400, "1 d"],
  [273_600, "3 d 4 h"],
  [-5, "0 s"],
  [NaN, "unknown"],
];

for (const [seconds, expected] of DURATIONS) test(`a duration of ${seconds} s`, () => assert.equal(durationText(seconds), expected));

const AGES: readonly [number, string][] = [
  [3.7, "3 s"],
  [61, "1 min"],
  [7200, "2 h"],
  [200_000, "2 d"],
  [Infinity, "unknown"],
];

for (const [seconds, expected] of AGES) test(`an age of ${seconds} s`, () => assert.equal(ageText(seconds), expected));

const TIMES: readonly [unknown, number | null][] = [
  ["2026-11-21T13:25:10Z", 1_795_267_510],
  ["2026-11-21T13:25:10", 1_795_267_510],
  ["2026-11-21 13:25:10", 1_795_267_510],
  ["2026-11-21T14:25:10+01:00", 1_795_267_510],
  ["2026-11-21T13:25:10.5Z", 1_795_267_510.5],
  ["yesterday", null],
  ["", null],
  [null, null],
  [17, null],
];

for (const [text, expected] of TIMES) test(`the time ${String(text)}`, () => assert.equal(parseTime(text), expected));

test("times are shown in UTC", () => {
  assert.equal(timeText(1_795_267_510), "2026-11-21 13:25:10");
  assert.equal(clockText(1_795_267_510), "13:25:10");
  assert.equal(timeText(null), "");
});
