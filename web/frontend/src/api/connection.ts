/** Whether the server answers at all, and since when it does not. */

import { shallowRef } from "vue";

export interface Connection {
  /** Monotonic; when the last answer came, `null` before the first. */
  readonly lastAnswer: number | null;
  /** Why there is none now; empty while all is well. */
  readonly lost: string;
}

export const connection = shallowRef<Connection>({ lastAnswer: null, lost: "" });

/** An answer came. */
export function answered(at: number): void {
  connection.value = { lastAnswer: at, lost: "" };
}

/** A request had no answer. */
export function unanswered(reason: string): void {
  connection.value = { ...connection.value, lost: reason };
}
