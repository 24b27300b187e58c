/** Stands for a value that a preview cannot know; the engine's own text for it, whatever the value's type. */
export const unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
/** Marks the engine's special values, secrets among them. */
const specialKey = "4dabf18193072939515e22adb298388d";

/** What the engine would do to one resource. */
export interface Step {
  urn: string;
  type: string;
  /** The last part of the URN. */
  name: string;
  /** The engine's word: `create`, `same`, `update`, `replace`, `delete`, … */
  op: string;
  /** Whether a provider makes it; components only hold others. */
  custom: boolean;
  parent: string;
  /** URN and id, joined by `::`. */
  provider: string;
  before: Values | undefined;
  after: Values | undefined;
  /** Planned outputs. */
  outputs: Values;
  /** Paths that differ, and whether each forces a replacement. */
  diff: Readonly<Record<string, { replaces: boolean }>>;
}

export type Values = Readonly<Record<string, unknown>>;

export interface Violation {
  rule: string;
  mandatory: boolean;
  severity: string;
  /** The resource's name, or the stack's. */
  resource: string;
  message: string;
}

/** One preview, as the engine told it. */
export interface Plan {
  steps: Step[];
  violations: Violation[];
  /** Errors, a sentence or more each. */
  errors: string[];
  warnings: string[];
}

/** Reads the engine's event log, a JSON object a line. A last line that was cut off is left out. */
export function planOf(log: string): Plan {
  const reader = new PlanReader();
  for (const line of log.split("\n")) reader.take(eventOf(line));
  return reader.plan;
}

/** Makes a plan of the engine's events as they come. */
export class PlanReader {
  readonly #steps = new Map<string, Step>();
  readonly #plan: Omit<Plan, "steps"> = { violations: [], errors: [], warnings: [] };

  get plan(): Plan {
    return { ...this.#plan, steps: [...this.#steps.values()] };
  }

  take({ resourcePreEvent, resOutputsEvent, policyEvent, diagnosticEvent }: Event): void {
    const { violations, errors, warnings } = this.#plan;
    if (resourcePreEvent) add(this.#steps, resourcePreEvent.metadata);
    if (resOutputsEvent) {
      const step = this.#steps.get(resOutputsEvent.metadata.urn);
      if (step) step.outputs = valuesOf(resOutputsEvent.metadata.new?.outputs) ?? {};
    }
    if (policyEvent) violations.push(violationOf(policyEvent));
    if (diagnosticEvent?.severity === "error") errors.push(diagnosticEvent.message.trim());
    if (diagnosticEvent?.severity === "warning") warnings.push(diagnosticEvent.message.trim());
  }
}

interface Metadata {
  op: string;
  urn: string;
  type: string;
  old: State | null;
  new: State | null;
  detailedDiff: Record<string, { diffKind: string }> | null;
  diffs?: string[] | null;
  /** Of `diffs`, those that force a replacement. */
  keys?: string[] | null;
}

interface State {
  custom?: boolean;
  parent: string;
  provider: string;
  inputs: unknown;
  outputs: unknown;
}

/** What is read of one event. */
export interface Event {
  resourcePreEvent?: { metadata: Metadata };
  resOutputsEvent?: { metadata: Metadata };
  policyEvent?: {
    policyName: string;
    message: string;
    enforcementLevel: string;
    resourceUrn?: string;
    severity?: string;
  };
  diagnosticEvent?: { severity: string; message: string };
}

function eventOf(line: string): Event {
  try {
    return JSON.parse(line);
  } catch {
    return {}; // The engine was stopped while it wrote.
  }
}

/** A replacement is told in up to three steps, each of which knows something. */
const replacing = ["replace", "create-replacement", "delete-replaced"];

function add(steps: Map<string, Step>, metadata: Metadata): void {
  const { op, urn, type, old, new: next } = metadata;
  const known = steps.get(urn);
  const state = next ?? old;
  steps.set(urn, {
    urn,
    type,
    name: urn.split("::").at(-1) ?? urn,
    op: replacing.includes(op) ? "replace" : op,
    custom: state?.custom === true,
    parent: state?.parent ?? "",
    provider: state?.provider ?? "",
    before: valuesOf(old?.inputs) ?? known?.before,
    after: valuesOf(next?.inputs) ?? known?.after,
    outputs: known?.outputs ?? {},
    diff: { ...known?.diff, ...diffOf(metadata) },
  });
}

function diffOf({ detailedDiff, diffs, keys }: Metadata): Step["diff"] {
  const detailed = Object.entries(detailedDiff ?? {}).map(
    ([path, { diffKind }]) => [path, /replace/.test(diffKind)] as const,
  );
  const named = [...(diffs ?? []), ...(keys ?? [])].map((path) => [path, (keys ?? []).includes(path)] as const);
  const all = detailed.length > 0 ? detailed : named;
  return Object.fromEntries(all.map(([path, replaces]) => [path, { replaces }]));
}

function valuesOf(value: unknown): Values | undefined {
  return typeof value === "object" && value !== null ? (opened(value) as Values) : undefined;
}

/** Secrets by their text where the engine was asked to show it, which it is only where there are none but placeholders. */
function opened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(opened);
  if (typeof value !== "object" || value === null) return value;
  if (specialKey in value) {
    return "plaintext" in value && typeof value.plaintext === "string" ? JSON.parse(value.plaintext) : "[secret]";
  }
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, opened(each)]));
}

function violationOf({
  policyName,
  message,
  enforcementLevel,
  resourceUrn,
  severity,
}: NonNullable<Event["policyEvent"]>): Violation {
  return {
    rule: policyName,
    mandatory: enforcementLevel === "mandatory",
    severity: severity ?? "",
    resource: resourceUrn?.split("::").at(-1) ?? "",
    // The engine puts the rule's description before it.
    message: message.split("\n").slice(1).join(" ").trim() || message,
  };
}

/** Whether any part of it is known only after an update. */
export function hasUnknown(value: unknown): boolean {
  if (value === unknownText) return true;
  if (typeof value === "string") return value.includes(unknownText);
  return typeof value === "object" && value !== null && Object.values(value).some(hasUnknown);
}
