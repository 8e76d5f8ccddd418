/** Asking again and again, while somebody looks. */

import { type ShallowRef, onScopeDispose, shallowRef } from "vue";

import { pauseAfter } from "../model/backoff.ts";
import { monotonic } from "./clock.ts";
import { RequestFailed } from "./request.ts";

export interface Polled<T> {
  /** The newest answer; kept when a later request fails, so that it can be shown as old. */
  readonly data: Readonly<ShallowRef<T | null>>;
  /** When it came, monotonic seconds; NaN without one. */
  readonly at: Readonly<ShallowRef<number>>;
  /** Why the last request failed; empty if it did not. */
  readonly error: Readonly<ShallowRef<string>>;
  readonly periodS: number;
  /** Ask now: the question changed. */
  readonly refresh: () => void;
}

/**
 * Ask with `load` every `periodS` seconds, less often after failures, never while the page is hidden; ends with the component.
 *
 * A new `refresh` cancels the request under way, so that answers cannot overtake each other.
 */
export function usePoll<T>(periodS: number, load: (signal: AbortSignal) => Promise<T>): Polled<T> {
  const data = shallowRef<T | null>(null);
  const at = shallowRef(NaN);
  const error = shallowRef("");
  let failures = 0;
  let timer = 0;
  let running: AbortController | null = null;

  async function ask(): Promise<void> {
    window.clearTimeout(timer);
    running?.abort();
    const mine = (running = new AbortController());
    try {
      const answer = await load(mine.signal);
      if (mine.signal.aborted) return;
      data.value = answer;
      at.value = monotonic();
      error.value = "";
      failures = 0;
    } catch (err) {
      if (mine.signal.aborted) return;
      if (!(err instanceof RequestFailed)) throw err;
      error.value = err.message;
      failures += 1;
    } finally {
      if (running === mine) {
        running = null;
        if (!document.hidden) timer = window.setTimeout(ask, pauseAfter(periodS, failures) * 1000);
      }
    }
  }

  function onVisibility(): void {
    if (document.hidden) window.clearTimeout(timer);
    else void ask();
  }

  document.addEventListener("visibilitychange", onVisibility);
  onScopeDispose(() => {
    document.removeEventListener("visibilitychange", onVisibility);
    window.clearTimeout(timer);
    running?.abort();
  });
  void ask();
  return { data, at, error, periodS, refresh: () => void ask() };
}
