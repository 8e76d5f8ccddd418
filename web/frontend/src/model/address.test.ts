import assert from "node:assert/strict";
import { test } from "node:test";

import { pauseAfter } from "./backoff.ts";
import { bySubsystem } from "./detector.ts";
import { hashOf, parseHash } from "./hash.ts";
import { columnsFor } from "./layout.ts";
import { TREND_RANGES, keyOf, rangeOf } from "./range.ts";
import { severityOf } from "./severity.ts";

const PLACES: readonly [string, string, string][] = [
  ["", "overview", ""],
  ["#/", "overview", ""],
  ["#/runs", "runs", ""],
  ["#/runs/30411", "runs", "30411"],
  ["#/channel/HV13:CH01", "channel", "HV13:CH01"],
  ["#/channel/%E0%A4", "channel", "%E0%A4"],
  ["#/nowhere/x", "unknown", "x"],
];

for (const [hash, view, id] of PLACES) {
  test(`the place ${hash || "(empty)"}`, () => {
    const place = parseHash(hash);
    assert.deepEqual([place.view, place.id], [view, id]);
  });
}

test("a place made is a place found", () => {
  const hash = hashOf("trends", "", { pv: ["A:B", "C&D=#?"], range: "1h", empty: "" });
  const { view, query } = parseHash(hash);
  assert.equal(view, "trends");
  assert.deepEqual([query.getAll("pv"), query.get("range"), query.has("empty")], [["A:B", "C&D=#?"], "1h", false]);
});

test("questions become rarer after failures, and not rarer than once a minute", () => {
  assert.deepEqual([0, 1, 2, 3, 20, 10_000].map((failures) => pauseAfter(2, failures)), [2, 4, 8, 16, 60, 60]);
  assert.equal(pauseAfter(300, 5), 300);
});

test("ranges by name and of their own", () => {
  assert.deepEqual(rangeOf("1h", TREND_RANGES, 10_000), { from: 6400, to: 10_000 });
  assert.deepEqual(rangeOf(keyOf({ from: 10.2, to: 20.7 }), TREND_RANGES, 0), { from: 10, to: 21 });
  for (const bad of ["", "2h", "20..10", "a..b", "1.."]) assert.equal(rangeOf(bad, TREND_RANGES, 1), null, bad);
  assert.equal(rangeOf("1h", TREND_RANGES, NaN), null);
});

test("the map has as many columns as fit and are of use", () => {
  assert.deepEqual([columnsFor(15, 90), columnsFor(63, 90), columnsFor(63, 55), columnsFor(63, 22), columnsFor(0, 0)], [1, 3, 2, 1, 1]);
});

test("a severity that nobody knows is invalid, never good", () => {
  assert.deepEqual(["NO_ALARM", "OK", "MINOR", "MAJOR_ACK", "INVALID", "UNDEFINED", "", undefined, 2, 7].map(severityOf), [0, 0, 1, 2, 3, 3, 3, 3, 2, 3]);
});

test("channels in the order of the detector", () => {
  const at = (subsystem: string, controller: string, number: number): { subsystem: string; controller: string; number: number } => ({ subsystem, controller, number });
  const found = bySubsystem([at("P", "B", 2), at("E", "C", 1), at("P", "B", 1), at("P", "A", 1)]);
  assert.deepEqual(found.map((one) => [one.name, one.controllers.map((row) => [row.name, row.channels.map((channel) => channel.number)])]), [
    ["P", [["B", [1, 2]], ["A", [1]]]],
    ["E", [["C", [1]]]],
  ]);
});
