/**
 * The server's time, carried on by the browser's monotonic clock.
 *
 * The clock of a phone may be wrong by hours or jump; what is old on this page is decided without it.
 */

import { computed, ref, shallowRef } from "vue";

const offset = shallowRef<number | null>(null);

/** Monotonic seconds since the page was opened, followed once a second. */
export const pageNow = ref(monotonic());

/** The server's time, Unix seconds; NaN until the first answer. */
export const serverNow = computed(() => (offset.value === null ? NaN : pageNow.value + offset.value));

window.setInterval(() => {
  if (!document.hidden) pageNow.value = monotonic();
}, 1000);

/** Monotonic seconds since the page was opened. */
export function monotonic(): number {
  return performance.now() / 1000;
}

/** Take note of the time in an answer; `sent` and `received` are monotonic. */
export function learnTime(server: number, sent: number, received: number): void {
  offset.value = server - (sent + received) / 2;
  pageNow.value = received;
}

/** The server's time at a monotonic moment; NaN until the first answer. */
export function serverTimeAt(moment: number): number {
  return offset.value === null ? NaN : moment + offset.value;
}
