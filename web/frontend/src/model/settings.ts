/** What is known of the settings of a run, in the words of `sipmdcs run show`. */
import { countText } from "./number.ts";

export type Said = Readonly<Record<string, unknown>>;

/** The version that was pushed last before the run started, and which part of it. */
export function settingsText(run: Said): string {
  if (run["config_version"] === null) return "none was ever pushed";
  const part = run["config_only"] ? `, only ${String(run["config_only"])}` : "";
  return `version ${String(run["config_version"])} (push ${String(run["config_push"] ?? "unknown")}${part}, ${String(run["config_hash"] ?? "").slice(0, 12)})`;
}

/** How the detector compared with them when the run started; empty where there is nothing to compare with. */
export function detectorText(run: Said): string {
  if (run["config_version"] === null) return "";
  if (run["config_trouble"]) return `not known: ${String(run["config_trouble"])}`;
  if (!run["config_compared_at"]) return run["started_at"] ? "not compared so far" : "compared at the start";
  const [compared, unread] = [Number(run["config_compared"] ?? 0), Number(run["config_unread"] ?? 0)];
  if (compared === 0) return `not known: none of ${countText(unread)} values could be read`;
  const unknown = unread > 0 ? `; ${countText(unread)} more could not be read` : "";
  return `${countText(Number(run["config_differing"] ?? 0))} of ${countText(compared)} values differ${unknown}`;
}
