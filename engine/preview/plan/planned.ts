import { safeText, withoutHost } from "../../../core/base/wording.ts";
import { changesOf, dangersOf, interruptionsOf } from "./changes.ts";
import { candidatesOf, inWords as drawnInWords } from "./draws.ts";
import { hasUnknown, type Plan, type Step } from "./plan.ts";

/** A property that would change, with its values as they may be shown. */
export interface PlannedProperty {
  /** e.g. `rules[1].sourceIps[0]` */
  property: string;
  before?: string;
  after?: string;
}

/** What would happen to one resource. */
export interface PlannedChange {
  op: string;
  kind: string;
  resource: string;
  properties: PlannedProperty[];
  /** What it does to a running host or to what is on it, a sentence each. */
  effects: string[];
}

/** What a plan would change, for a person or a program: no secret is among the values. */
export function plannedOf(plan: Plan, host: string): PlannedChange[] {
  const dangers = dangersOf(plan);
  const said = new Set(changesOf(plan).map(({ resource, kind }) => `${kind} ${resource}`));
  return plan.steps
    .map((step) => ({ step, kind: step.type.split(":").at(-1) ?? step.type }))
    .filter(({ step, kind }) => said.has(`${kind} ${step.name}`))
    .map(({ step, kind }) => ({
      op: step.op,
      kind,
      resource: step.name,
      properties: propertiesOf(step, plan.steps),
      effects: [
        ...interruptionsOf(step).map((effect) => inFull(effect, plan.warnings, host)),
        ...dangers.filter(({ resource }) => resource === step.name).map(({ message }) => message),
        ...unprotected(step),
      ].map((text) => safeText(text)),
    }))
    .sort((a, b) => (a.resource < b.resource ? -1 : 1));
}

/** Warnings that say more than the effects do. */
export function notesOf({ warnings }: Plan, planned: readonly PlannedChange[], host: string): string[] {
  const effects = planned.flatMap((each) => each.effects);
  const notes = warnings.map((warning) => safeText(withoutHost(host, warning)));
  return [...new Set(notes)].filter((note) => !effects.includes(note));
}

/** The program has asked Hetzner, and may know more, such as that the disk grows. */
const inFull = (effect: string, warnings: readonly string[], host: string) =>
  warnings.map((warning) => withoutHost(host, warning)).find((warning) => warning.startsWith(effect)) ?? effect;

const protections = { deleteProtection: "deleted", rebuildProtection: "rebuilt" } as const;

function unprotected({ before = {}, after = {}, op }: Step): string[] {
  if (op !== "update") return [];
  const lifted = Object.entries(protections).filter(([key]) => before[key] === true && after[key] !== true);
  return lifted.map(([, verb]) => `Hetzner would no longer refuse that it is ${verb}`);
}

function propertiesOf(step: Step, steps: readonly Step[]): PlannedProperty[] {
  if (step.op === "create") {
    const bought = (["serverType", "location", "image"] as const).filter((key) => step.after?.[key] !== undefined);
    return bought.map((property) => {
      const candidates = property === "image" ? undefined : candidatesOf(step, property, steps);
      const after = candidates ? drawnInWords(candidates) : textOf(step.after?.[property]);
      return { property, after: excerpt(after, 0) };
    });
  }
  if (step.op === "delete") return [];
  return Object.keys(step.diff)
    .sort()
    .flatMap((property) => {
      const [before, after] = [valueAt(step.before, property), valueAt(step.after, property)].map(plain);
      const [former, next] = [before, after].map((value) => (value === undefined ? undefined : textOf(value)));
      // A list is named as a whole where one of its items differs; a secret differs without showing it.
      if (former === next && former !== undefined && !former.includes("[secret]")) return [];
      const from = former !== undefined && next !== undefined ? firstDifference(former, next) : 0;
      return {
        property: safeText(property),
        ...(former !== undefined && { before: excerpt(former, from) }),
        ...(next !== undefined && { after: excerpt(next, from) }),
      };
    });
}

/** Without what the provider's bridge notes for itself. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const own = Object.entries(value).filter(([key]) => key !== "__defaults");
  return Object.fromEntries(own.map(([key, each]) => [key, plain(each)]));
}

/** The longest value that is shown whole. */
const mostCharacters = 160;

function textOf(value: unknown): string {
  if (hasUnknown(value)) return "(known after up)";
  // Whole first: where it is cut depends on the other value.
  return value === "[secret]" ? value : safeText(JSON.stringify(value) ?? "", Number.POSITIVE_INFINITY);
}

function firstDifference(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) if (a[index] !== b[index]) return index;
  return length;
}

/** @param from where it gets interesting */
function excerpt(text: string, from: number): string {
  if (text.length <= mostCharacters) return text;
  const start = from < mostCharacters / 2 ? 0 : from - 40;
  const cut = text.slice(start, start + mostCharacters);
  return `${start > 0 ? "…" : ""}${cut}${start + mostCharacters < text.length ? "…" : ""}`;
}

/** @param path as the engine writes it: `rules[0].sourceIps[1]`, `labels["a.b"]` */
function valueAt(values: unknown, path: string): unknown {
  let value = values;
  for (const [, key, index, quotedKey] of path.matchAll(/([^.[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]/g)) {
    const name = index ?? (quotedKey === undefined ? key : JSON.parse(`"${quotedKey}"`));
    if (typeof value !== "object" || value === null) return value === "[secret]" ? value : undefined;
    value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  return value;
}
