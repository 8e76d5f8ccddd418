/** Day or night, as the system of the reader says. */

import { shallowRef } from "vue";

import type { Theme } from "./model/ramp.ts";

const dark = window.matchMedia("(prefers-color-scheme: dark)");

export const theme = shallowRef<Theme>(dark.matches ? "dark" : "light");

dark.addEventListener("change", () => {
  theme.value = dark.matches ? "dark" : "light";
});
