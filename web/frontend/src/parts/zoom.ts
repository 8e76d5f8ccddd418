/** Zooming into a chart, and the way back. */

import { type ComputedRef, computed, ref } from "vue";

import { TREND_RANGES, type Range, keyOf } from "../model/range.ts";

/** Where the way back ends for who came by an address with a range of its own. */
const HOME = "1h";

export interface Zoom {
  /** Whether the range is one that somebody zoomed to. */
  readonly zoomed: ComputedRef<boolean>;
  readonly zoom: (to: Range) => void;
  /** To the range before the last zoom. */
  readonly back: () => void;
}

/** Keeps the ranges on the way; `choose` takes the key of a range. */
export function useZoom(current: () => string, choose: (key: string) => void): Zoom {
  const before = ref<string[]>([]);
  const zoomed = computed(() => !TREND_RANGES.some((one) => one.key === current()));
  return {
    zoomed,
    zoom(to) {
      before.value = [...(zoomed.value ? before.value : []), current()];
      choose(keyOf(to));
    },
    back() {
      if (zoomed.value) choose(before.value.pop() ?? HOME);
    },
  };
}
