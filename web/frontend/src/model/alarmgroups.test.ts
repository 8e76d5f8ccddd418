import assert from "node:assert/strict";
import { test } from "node:test";

import { byUrgency, grouped } from "./alarmgroups.ts";

const alarm = (pv: string, severity: number, message = "HIHI", acknowledged = false): Parameters<typeof byUrgency>[0][number] => ({ pv, severity, message, acknowledged });

test("a flood of lost PVs hides no real alarm", () => {
  const flood = Array.from({ length: 50 }, (_, i) => alarm(`D:S:C${i % 2}:CH${i}:X`, 3, "Disconnected"));
  const alarms = byUrgency([alarm("D:S:A:SEEN", 2, "HIHI", true), ...flood, alarm("D:S:A:LOW", 1), alarm("D:S:A:HIGH", 2)]);
  assert.deepEqual(alarms.slice(0, 2).map((one) => one.pv), ["D:S:A:HIGH", "D:S:A:LOW"]);
  assert.equal(alarms.at(-1)?.pv, "D:S:A:SEEN");
  const { single, lost } = grouped(alarms);
  assert.equal(single.length, 3);
  assert.deepEqual(lost, [{ prefix: "D:S:C0", count: 25 }, { prefix: "D:S:C1", count: 25 }]);
});

test("largest groups first", () => {
  const lost = [alarm("D:S:B:1", 3, "Disconnected"), alarm("D:S:A:1", 3, "Disconnected"), alarm("D:S:A:2", 3, "Disconnected")];
  assert.deepEqual(grouped(lost).lost.map((one) => one.prefix), ["D:S:A", "D:S:B"]);
});
