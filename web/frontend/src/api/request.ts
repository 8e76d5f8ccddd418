/** One request to the aggregation API. */

import { learnTime, monotonic } from "./clock.ts";
import { answered, unanswered } from "./connection.ts";

const LONGEST_S = 15;

/** Why there is no answer, for a person. */
export class RequestFailed extends Error {
  override readonly name = "RequestFailed";
}

export interface Answer {
  readonly document: unknown;
  /** When it came; monotonic seconds. */
  readonly at: number;
}

/**
 * Ask the API for a path below `api/v1`.
 *
 * @throws RequestFailed nobody answers, or the answer is an error.
 */
export async function request(path: string, query: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<Answer> {
  const text = new URLSearchParams(query).toString();
  const address = new URL(`api/v1/${path}${text ? `?${text}` : ""}`, document.baseURI);
  const limit = AbortSignal.timeout(LONGEST_S * 1000);
  const sent = monotonic();
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(address, {
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      headers: { Accept: "application/json" },
      cache: "no-cache",
    });
    body = await response.json();
  } catch (err) {
    if (signal?.aborted) throw err;
    const reason = limit.aborted ? `no answer within ${LONGEST_S} s` : err instanceof SyntaxError ? "the answer is not JSON" : "the server does not answer";
    unanswered(reason);
    throw new RequestFailed(reason);
  }
  const received = monotonic();
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (!Number.isNaN(date)) learnTime(date / 1000, sent, received);
  answered(received);
  if (!response.ok) throw new RequestFailed(errorText(body) || `the server answers ${response.status}`);
  return { document: body, at: received };
}

/** What a JSON:API error document says. */
function errorText(body: unknown): string {
  const errors = (body as { errors?: readonly { detail?: unknown; title?: unknown }[] } | null)?.errors;
  const first = Array.isArray(errors) ? errors[0] : undefined;
  return String(first?.detail ?? first?.title ?? "");
}
