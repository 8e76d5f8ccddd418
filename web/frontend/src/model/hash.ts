/** The part of the address behind `#`: which view, of what, with which choices. It can be sent to somebody else. */

export type ViewName = "overview" | "trends" | "alarms" | "runs" | "downtimes" | "channel" | "unknown";

export interface Place {
  readonly view: ViewName;
  /** What the view is about: a run number, the prefix of a channel; empty if it is about all. */
  readonly id: string;
  readonly query: URLSearchParams;
}

const VIEWS: readonly string[] = ["overview", "trends", "alarms", "runs", "downtimes", "channel"];

/** `#/runs/17?sort=-number` taken apart; an empty hash is the overview. */
export function parseHash(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view = "", ...rest] = path.split("/");
  const name = view === "" ? "overview" : VIEWS.includes(view) ? (view as ViewName) : "unknown";
  return { view: name, id: decode(rest.join("/")), query: new URLSearchParams(query) };
}

/** The hash of a view; choices that are empty are left out, a list gives one entry each. */
export function hashOf(view: ViewName, id = "", choices: Readonly<Record<string, string | readonly string[]>> = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(choices)) {
    for (const one of typeof value === "string" ? [value] : value) if (one !== "") query.append(key, one);
  }
  const text = query.toString();
  return `#/${view}${id ? `/${encodeURIComponent(id).replaceAll("%3A", ":")}` : ""}${text ? `?${text}` : ""}`;
}

/** `%` that is no escape stays what it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
