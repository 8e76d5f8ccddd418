import assert from "node:assert/strict";
import { test } from "node:test";

import { fitScale, fraction, marksFromZero, roundStep } from "./scale.ts";

const spread = (low: number, high: number): number[] => Array.from({ length: 101 }, (_, i) => low + ((high - low) * i) / 100);

test("ends are round and hold the values", () => {
  assert.deepEqual(fitScale(spread(55.13, 57.91), 0.5), { low: 55, high: 58 });
  assert.deepEqual(fitScale(spread(0.081, 0.119), 0.01), { low: 0.08, high: 0.12 });
});

test("one bad channel does not make all others look alike", () => {
  assert.deepEqual(fitScale([...spread(0.08, 0.12), 5000], 0.01), { low: 0.08, high: 0.12 });
});

test("noise does not fill the scale", () => {
  const scale = fitScale([25, 25.001], 2);
  assert.ok(scale && scale.high - scale.low >= 2);
});

test("a scale is kept while it fits, and left when it does not", () => {
  const before = { low: 50, high: 60 };
  assert.equal(fitScale(spread(52, 57), 0.5, before), before);
  assert.notEqual(fitScale(spread(52, 53), 0.5, before), before);
  assert.notEqual(fitScale(spread(45, 57), 0.5, before), before);
});

test("without values the scale stays", () => {
  assert.equal(fitScale([], 1), null);
  assert.equal(fitScale([NaN], 1, { low: 0, high: 1 })?.high, 1);
});

test("values outside are cut", () => {
  const scale = { low: 10, high: 20 };
  assert.deepEqual([5, 10, 15, 20, 99].map((value) => fraction(scale, value)), [0, 0, 0.5, 1, 1]);
});

test("steps are round", () => {
  assert.deepEqual([0.9, 1, 1.1, 2.2, 2.6, 7].map(roundStep), [1, 1, 2, 2.5, 5, 10]);
});

test("marks begin at zero and reach the top", () => {
  assert.deepEqual(marksFromZero(4.8, 4), [0, 2, 4, 6]);
  assert.deepEqual(marksFromZero(8, 4), [0, 2, 4, 6, 8]);
  assert.deepEqual(marksFromZero(0, 4), [0, 1]);
});
