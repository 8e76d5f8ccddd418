import assert from "node:assert/strict";
import { test } from "node:test";

import { differs, moved } from "./gesture.ts";

const RANGE = { from: 1000, to: 2000 };
const NOW = 5000;

test("one finger drags the range along", () => {
  assert.deepEqual(moved(RANGE, [0.5], [0.75], NOW), { from: 750, to: 1750 });
  assert.deepEqual(moved(RANGE, [0.5], [0.25], NOW), { from: 1250, to: 2250 });
});

test("what lay under two fingers still does", () => {
  const found = moved(RANGE, [0.4, 0.6], [0.2, 0.8], NOW);
  const span = found.to - found.from;
  assert.ok(Math.abs(span - 1000 / 3) < 1e-9);
  assert.ok(Math.abs(found.from + 0.2 * span - 1400) < 1e-9);
  assert.ok(Math.abs(found.from + 0.8 * span - 1600) < 1e-9);
});

test("pinching together shows more", () => {
  assert.deepEqual(moved(RANGE, [0.25, 0.75], [0.375, 0.625], NOW), { from: 500, to: 2500 });
});

test("the order of the fingers does not matter", () => {
  assert.deepEqual(moved(RANGE, [0.75, 0.25], [0.625, 0.375], NOW), moved(RANGE, [0.25, 0.75], [0.375, 0.625], NOW));
});

test("the range does not go on after what is known", () => {
  assert.deepEqual(moved(RANGE, [0.9], [0.1], 2100), { from: 1100, to: 2100 });
});

test("fingers on one spot give a finite range", () => {
  const found = moved(RANGE, [0.5, 0.5], [0.5, 0.5], NOW);
  assert.ok(Number.isFinite(found.from) && found.to > found.from);
  const out = moved(RANGE, [0, 1], [0.5, 0.5], 1e12);
  assert.ok(out.to - out.from <= 366 * 86_400);
});

test("a finger that taps trembles and means nothing", () => {
  assert.equal(differs(moved(RANGE, [0.5], [0.51], NOW), RANGE), false);
  assert.equal(differs(moved(RANGE, [0.5], [0.55], NOW), RANGE), true);
  assert.equal(differs(moved(RANGE, [0.4, 0.6], [0.3, 0.7], NOW), RANGE), true);
});
