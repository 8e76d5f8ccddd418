/** The view in the address, followed as it changes. */

import { shallowRef } from "vue";

import { type Place, parseHash } from "./model/hash.ts";

export const place = shallowRef<Place>(parseHash(window.location.hash));

/** No controls, large type: for a screen on the wall that nobody touches. */
export const onTheWall = new URLSearchParams(window.location.search).has("wall");

window.addEventListener("hashchange", () => {
  place.value = parseHash(window.location.hash);
});

/** Change the choices of the present view without a new entry in the history of the browser. */
export function replaceHash(hash: string): void {
  if (hash === window.location.hash) return;
  window.history.replaceState(null, "", hash);
  place.value = parseHash(hash);
}
