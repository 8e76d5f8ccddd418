import assert from "node:assert/strict";
import { test } from "node:test";

import { timeMarks } from "./timemarks.ts";
import { type Bin, byUnit, columns, lone } from "./trend.ts";

const bin = (time: number, mean: number | null, gap = ""): Bin => ({ time, mean, gap, minimum: mean === null ? null : mean - 1, maximum: mean === null ? null : mean + 1 });

test("a bin without a value breaks the line, a time that only another curve has does not", () => {
  const { times, values } = columns(
    [
      { pv: "A", unit: "V", bins: [bin(0, 5), bin(10, null), bin(20, 6)] },
      { pv: "B", unit: "V", bins: [bin(5, 1), bin(15, 2)] },
    ],
    10,
  );
  assert.deepEqual(times, [0, 5, 10, 15, 20]);
  assert.deepEqual(values[0]?.mean, [5, undefined, null, undefined, 6]);
  assert.deepEqual(values[1]?.mean, [undefined, 1, undefined, 2, undefined]);
  assert.deepEqual(values[0]?.maximum, [6, undefined, null, undefined, 7]);
});

test("bins that are missing altogether break the line as well", () => {
  const { times, values } = columns([{ pv: "A", unit: "V", bins: [bin(0, 5), bin(10, 5), bin(60, 5)] }], 10);
  assert.deepEqual(times, [0, 10, 20, 60]);
  assert.deepEqual(values[0]?.mean, [5, 5, null, 5]);
});

test("the line breaks behind a bin in a part of which nothing was known, and the reason is kept", () => {
  const { times, values } = columns([{ pv: "A", unit: "V", bins: [bin(0, 5), bin(10, 5, "archiver down"), bin(20, 5), bin(30, null, "disconnected")] }], 10);
  assert.deepEqual(times, [0, 10, 15, 20, 30]);
  assert.deepEqual(values[0]?.mean, [5, 5, null, 5, null]);
  assert.deepEqual(values[0]?.gap, ["", "archiver down", "archiver down", "", "disconnected"]);
});

test("values between two gaps are points, whatever other curves have in between", () => {
  assert.deepEqual(lone([5, null, 6, undefined, null, 7, undefined, 8, null]), [0, 2]);
  assert.deepEqual(lone([undefined, 4, undefined]), [1]);
  assert.deepEqual(lone([null, undefined]), []);
});

test("what shares a unit shares an axis", () => {
  const curve = (pv: string, unit: string): { pv: string; unit: string; bins: Bin[] } => ({ pv, unit, bins: [] });
  const groups = byUnit([curve("A", "V"), curve("B", "µA"), curve("C", "V")]);
  assert.deepEqual(groups.map((group) => [group.unit, group.curves.map((one) => one.pv)]), [["V", ["A", "C"]], ["µA", ["B"]]]);
});

test("marks of the axis of time are UTC and 24 hours, with the date once a day", () => {
  const midnight = Date.parse("2026-11-21T00:00:00Z") / 1000;
  assert.deepEqual(timeMarks([midnight - 3600, midnight, midnight + 3600], 3600), ["23:00\n2026-11-20", "00:00\n2026-11-21", "01:00"]);
  assert.deepEqual(timeMarks([midnight + 46_810, midnight + 46_820], 10), ["13:00:10\n2026-11-21", "13:00:20"]);
  assert.deepEqual(timeMarks([midnight], 86_400), ["2026-11-21"]);
});
