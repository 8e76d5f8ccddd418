/** Alarms in short: a flood of lost PVs hides no real alarm. */

export interface Listable {
  readonly pv: string;
  readonly message: string;
  readonly severity: number;
  readonly acknowledged: boolean;
}

/** PVs of one controller, or of one service, that nobody answers for. */
export interface LostGroup {
  /** `DET:SUB:CTRL`. */
  readonly prefix: string;
  readonly count: number;
}

/** What the alarm service says of a PV that does not answer. */
const LOST = "Disconnected";

export function isLost(alarm: Listable): boolean {
  return alarm.message === LOST;
}

/** Those nobody acknowledged first; of these, real values before lost PVs, then the most severe; equal ones keep their order. */
export function byUrgency<T extends Listable>(alarms: readonly T[]): readonly T[] {
  return [...alarms].sort(
    (a, b) => Number(a.acknowledged) - Number(b.acknowledged) || Number(isLost(a)) - Number(isLost(b)) || b.severity - a.severity,
  );
}

/** Alarms of PVs that answer, one by one, and the others by what they belong to, largest first. */
export function grouped<T extends Listable>(alarms: readonly T[]): { readonly single: readonly T[]; readonly lost: readonly LostGroup[] } {
  const counts = new Map<string, number>();
  for (const alarm of alarms.filter(isLost)) {
    const prefix = alarm.pv.split(":").slice(0, 3).join(":");
    counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
  }
  const lost = [...counts].map(([prefix, count]) => ({ prefix, count })).sort((a, b) => b.count - a.count || a.prefix.localeCompare(b.prefix));
  return { single: alarms.filter((alarm) => !isLost(alarm)), lost };
}
