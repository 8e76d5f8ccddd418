import assert from "node:assert/strict";
import { test } from "node:test";

import { countText, numberText, totalText, unitText } from "./number.ts";

const NUMBERS: readonly [number | null | undefined, number | undefined, string][] = [
  [56.789, undefined, "56.79"],
  [53, undefined, "53.00"],
  [0, undefined, "0"],
  [0.0921, undefined, "0.09210"],
  [-0.5, undefined, "−0.5000"],
  [1_350_000, undefined, "1.350e6"],
  [2.5e-7, undefined, "2.500e−7"],
  [12_345.6, undefined, "12346"],
  [56.789, 1, "56.8"],
  [-0.001, 2, "0.00"],
  [-1.5, 1, "−1.5"],
  [null, undefined, "–"],
  [undefined, 2, "–"],
  [NaN, 2, "–"],
  [Infinity, undefined, "–"],
];

for (const [value, digits, expected] of NUMBERS) {
  test(`${value} with ${digits ?? "four significant"} digits`, () => assert.equal(numberText(value, digits), expected));
}

test("counts are in groups of three", () => {
  assert.equal(countText(52_383_481), "52\u202f383\u202f481");
  assert.equal(countText(999), "999");
  assert.equal(countText(null), "–");
});

test("a lower bound says so", () => {
  assert.equal(totalText({ total: 10_001, totalIsLowerBound: true }), "more than 10\u202f000");
  assert.equal(totalText({ total: 9_999, totalIsLowerBound: false }), "9\u202f999");
});

test("units of EPICS and LaTeX", () => {
  assert.equal(unitText("uA"), "µA");
  assert.equal(unitText("degC"), "°C");
  assert.equal(unitText("10^{30}cm^{-2}s^{-1}"), "10^30cm^-2s^-1");
  assert.equal(unitText(null), "");
});
