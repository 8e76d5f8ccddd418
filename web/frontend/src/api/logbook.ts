/** Runs and downtimes. */

import { type Page, type Row, collection, number, text, time } from "./rows.ts";

export interface Run {
  readonly number: number;
  readonly partition: string;
  readonly type: string;
  readonly state: string;
  readonly openedAt: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly duration: number | null;
  readonly events: number | null;
  readonly comment: string;
  readonly quality: string;
  readonly row: Row;
}

export interface Downtime {
  readonly id: string;
  readonly detector: string;
  readonly run: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly duration: number | null;
  readonly category: string;
  readonly description: string;
  readonly user: string;
  readonly source: string;
}

/** Rows and how many there are in all. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly totalIsLowerBound: boolean;
  readonly warnings: readonly string[];
}

export async function runs(query: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Listed<Run>> {
  return listed(await collection("runs", query, signal), runOf);
}

export async function downtimes(query: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Listed<Downtime>> {
  return listed(await collection("downtimes", query, signal), downtimeOf);
}

/** All rows that a query finds. */
export function listed<T>(page: Page, read: (row: Row) => T): Listed<T> {
  return { items: page.rows.map(read), total: page.total, totalIsLowerBound: page.totalIsLowerBound, warnings: page.warnings };
}

export function runOf(row: Row): Run {
  return {
    number: number(row, "run_number") ?? NaN,
    partition: text(row, "partition"),
    type: text(row, "run_type"),
    state: text(row, "state"),
    openedAt: time(row, "opened_at"),
    startedAt: time(row, "started_at"),
    endedAt: time(row, "ended_at"),
    duration: number(row, "duration"),
    events: number(row, "events"),
    comment: text(row, "comment"),
    quality: text(row, "quality"),
    row,
  };
}

function downtimeOf(row: Row): Downtime {
  return {
    id: text(row, "event_id"),
    detector: text(row, "detector"),
    run: number(row, "run_number"),
    startedAt: time(row, "started_at"),
    endedAt: time(row, "ended_at"),
    duration: number(row, "duration"),
    category: text(row, "category"),
    description: text(row, "description"),
    user: text(row, "user"),
    source: text(row, "source"),
  };
}
