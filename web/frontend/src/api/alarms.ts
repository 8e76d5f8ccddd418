/** What alarms. */

import { byUrgency } from "../model/alarmgroups.ts";
import { severityOf, type Severity } from "../model/severity.ts";
import { collection, text, time } from "./rows.ts";

export interface Alarm {
  readonly pv: string;
  readonly path: string;
  readonly description: string;
  readonly severity: Severity;
  readonly acknowledged: boolean;
  readonly message: string;
  readonly value: string;
  readonly time: number | null;
  readonly now: string;
  readonly by: string;
  readonly comment: string;
  readonly guidance: string;
  readonly channel: string;
}

/** PVs whose alarm is not OK, the most urgent first, of equal ones the newest. */
export async function alarms(signal?: AbortSignal): Promise<readonly Alarm[]> {
  const page = await collection("alarms", { "filter[severity][NEQ]": "OK", sort: "-time", "page[limit]": "100000" }, signal);
  const found = page.rows.map((row) => ({
    pv: text(row, "pv"),
    path: text(row, "path"),
    description: text(row, "description"),
    severity: severityOf(row.attributes["severity"]),
    acknowledged: row.attributes["acknowledged"] === true,
    message: text(row, "message"),
    value: text(row, "value"),
    time: time(row, "time"),
    now: [text(row, "current_value"), text(row, "current_message")].filter((part) => part !== "").join(" "),
    by: text(row, "acknowledged_by"),
    comment: text(row, "comment"),
    guidance: text(row, "guidance"),
    channel: text(row, "channel_prefix"),
  }));
  return byUrgency(found);
}
