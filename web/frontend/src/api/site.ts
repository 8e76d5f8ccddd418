/** Which installation this is. */

import { collection, text } from "./rows.ts";

/** Its name, from the site file of the server. */
export async function siteName(signal?: AbortSignal): Promise<string> {
  const row = (await collection("version", {}, signal)).rows[0];
  return row ? text(row, "site") : "";
}
