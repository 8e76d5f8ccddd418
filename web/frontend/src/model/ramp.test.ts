import assert from "node:assert/strict";
import { test } from "node:test";

import { SHADES, type Theme, contrast, luminance, shade } from "./ramp.ts";

const colour = (text: string): [number, number, number] => {
  const parts = text.startsWith("#") ? [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) : (text.match(/\d+/g) ?? []).map(Number);
  return parts as [number, number, number];
};

for (const theme of ["light", "dark"] as Theme[]) {
  const table = Array.from({ length: SHADES }, (_, i) => shade(theme, i / (SHADES - 1)));

  test(`${theme}: text is readable on every shade (WCAG AA)`, () => {
    for (const { fill, text } of table) assert.ok(contrast(luminance(colour(fill)), luminance(colour(text))) >= 4.5, `${text} on ${fill}`);
  });

  test(`${theme}: lightness alone carries the value`, () => {
    const steps = table.map(({ fill }) => luminance(colour(fill)));
    for (let i = 1; i < steps.length; i++) {
      const [before, after] = [steps[i - 1] as number, steps[i] as number];
      assert.ok(theme === "light" ? after < before : after > before, `shade ${i}`);
    }
  });
}

test("parts outside of 0 to 1 are cut", () => {
  assert.deepEqual(shade("light", -3), shade("light", 0));
  assert.deepEqual(shade("dark", 7), shade("dark", 1));
});
