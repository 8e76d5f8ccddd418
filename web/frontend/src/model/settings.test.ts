import assert from "node:assert/strict";
import { test } from "node:test";

import { detectorText, settingsText } from "./settings.ts";

const RUN = {
  config_version: 3, config_push: 7, config_only: "", config_hash: "0123456789abcdef", config_trouble: "",
  config_compared_at: "2026-11-30T12:00:00Z", config_compared: 672, config_differing: 192, config_unread: 0, started_at: "2026-11-30T12:00:00Z",
};

test("the settings of a run name the part that was pushed", () => {
  assert.equal(settingsText(RUN), "version 3 (push 7, 0123456789ab)");
  assert.equal(settingsText({ ...RUN, config_only: "HV18" }), "version 3 (push 7, only HV18, 0123456789ab)");
  assert.equal(settingsText({ ...RUN, config_version: null }), "none was ever pushed");
});

test("what the detector had is said only as far as it is known", () => {
  assert.equal(detectorText(RUN), "192 of 672 values differ");
  assert.equal(detectorText({ ...RUN, config_unread: 16 }), "192 of 672 values differ; 16 more could not be read");
  assert.equal(detectorText({ ...RUN, config_compared: 0, config_unread: 16 }), "not known: none of 16 values could be read");
  assert.equal(detectorText({ ...RUN, config_trouble: "the IOC is away" }), "not known: the IOC is away");
  assert.equal(detectorText({ ...RUN, config_compared_at: null }), "not compared so far");
  assert.equal(detectorText({ ...RUN, config_compared_at: null, started_at: null }), "compared at the start");
  assert.equal(detectorText({ ...RUN, config_version: null }), "");
});
