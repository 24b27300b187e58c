import type { PlannedChange } from "./planned.ts";

/** What a host's resources cost a month, net, before and after. */
export interface MonthlyCost {
  before?: number;
  after?: number;
  /** e.g. `EUR` */
  currency?: string;
  /** Why it cannot be told. */
  unknown?: string;
}

/** Everything a preview found of one host. */
export interface Planned {
  plan: PlannedChange[];
  /** What the program and the engine warn of. */
  notes: string[];
  /** Present where the price would change, or cannot be told. */
  monthly?: MonthlyCost;
}

/** What would happen, for a terminal: a line for each resource, and below it what changes and what that does. */
export function plannedLines({ plan, notes, monthly }: Planned): string[] {
  return [
    ...plan.flatMap((change) => [
      `would ${verbOf(change)} ${change.kind} ${change.resource}`,
      ...change.properties.map((each) => `  ${each.property}: ${valuesText(each)}`),
      ...change.effects.map((effect) => `  ! ${effect}`),
    ]),
    ...notes.map((note) => `note: ${note}`),
    ...(monthly ? [`cost a month: ${costText(monthly)}`] : []),
  ];
}

function verbOf({ op, kind }: PlannedChange): string {
  if (kind === "Command") return { create: "run", replace: "run again" }[op] ?? op;
  return op === "replace" ? "delete and create again" : op;
}

function valuesText({ before, after }: { before?: string; after?: string }): string {
  if (before === undefined) return after ?? "changed";
  return before === after ? `${before} (changed)` : `${before} → ${after ?? "(none)"}`;
}

function costText({ before, after, currency, unknown }: MonthlyCost): string {
  if (unknown !== undefined) return `not known: ${unknown}`;
  const money = (value: number) => value.toFixed(2);
  const difference = (after ?? 0) - (before ?? 0);
  const sign = difference < 0 ? "-" : "+";
  return `${money(before ?? 0)} → ${money(after ?? 0)} ${currency} net (${sign}${money(Math.abs(difference))} ${currency})`;
}
