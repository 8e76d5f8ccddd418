import assert from "node:assert/strict";
import { test } from "node:test";

import { type Interval, covered, pareto } from "./pareto.ts";

const down = (category: string, startedAt: number, endedAt: number | null): Interval => ({ category, startedAt, endedAt });

test("largest first, with cumulative shares", () => {
  const bars = pareto([down("Beam", 10, 20), down("DAQ", 30, 60), down("Beam", 70, 80)], 0, 100);
  assert.deepEqual(bars, [
    { category: "DAQ", seconds: 30, count: 1, cumulative: 0.6 },
    { category: "Beam", seconds: 20, count: 2, cumulative: 1 },
  ]);
});

test("cut at the ends of the range; open ones end with it", () => {
  assert.equal(pareto([down("Beam", -50, 10)], 0, 100)[0]?.seconds, 10);
  assert.equal(pareto([down("Beam", 90, null)], 0, 100)[0]?.seconds, 10);
  assert.equal(pareto([down("Beam", 90, 400)], 0, 100)[0]?.seconds, 10);
});

test("outside of the range nothing counts", () => {
  assert.deepEqual(pareto([down("Beam", -50, -10), down("Beam", 100, 110), down("Beam", 200, null)], 0, 100), []);
});

test("where two of a category overlap the time counts once", () => {
  assert.equal(pareto([down("Beam", 0, 60), down("Beam", 30, 90)], 0, 100)[0]?.seconds, 90);
});

test("equal ones are in the order of their names, and nothing divides by zero", () => {
  const bars = pareto([down("b", 5, 5), down("a", 5, 5)], 0, 10);
  assert.deepEqual(bars.map((bar) => [bar.category, bar.cumulative]), [["a", 0], ["b", 0]]);
});

test("the union of intervals", () => {
  assert.equal(covered([]), 0);
  assert.equal(covered([[5, 6], [0, 3], [2, 4], [1, 2]]), 5);
});
