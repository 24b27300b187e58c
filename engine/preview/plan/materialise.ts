import { createHash, randomUUID } from "node:crypto";
import { resourceTypes } from "../../../core/base/hetzner/resource-types.ts";
import { withFirstDrawn } from "./draws.ts";
import { hasUnknown, type Plan, type Step, type Values } from "./plan.ts";

/** A resource in the engine's checkpoint, version 3. */
export interface CheckpointResource {
  urn: string;
  custom: boolean;
  type: string;
  id?: string;
  parent?: string;
  provider?: string;
  inputs: Values;
  outputs: Values;
}

/**
 * What the state would look like if a plan had been carried out: made up where only Hetzner could say, and the same each
 * time. With it the engine itself, and the real provider, say what another revision would change, replace and delete.
 *
 * Protection is left out: the engine would stop at the first protected resource instead of telling the whole plan.
 * @param earlier resources of the pass before; what the plan leaves as it is stays as it was
 */
export function materialise({ steps }: Plan, earlier: readonly CheckpointResource[] = []): CheckpointResource[] {
  const before = new Map(earlier.map((each) => [each.urn, each]));
  const providers = new Map<string, CheckpointResource>();
  const resources = steps
    .filter(({ op, type }) => op !== "delete" && !isProvider(type))
    .map((step) => withFirstDrawn(step, steps))
    .map((step): CheckpointResource => {
      const provider = step.provider === "" ? undefined : providerOf(step, steps, before, providers);
      const old = before.get(step.urn);
      if (old && (step.op === "same" || step.op === "read")) return old;
      const common = {
        urn: step.urn,
        type: step.type,
        custom: step.custom,
        ...(step.parent && { parent: step.parent }),
      };
      if (!step.custom) return { ...common, inputs: {}, outputs: {} };
      const inputs = withoutUnknown(step.after ?? {});
      const id = old?.id ?? idOf(step);
      const outputs = { ...madeUp(step), ...withoutUnknown(step.outputs), ...inputs, id };
      return { ...common, id, ...(provider && { provider: `${provider.urn}::${provider.id}` }), inputs, outputs };
    });
  // The engine wants whatever is referred to before what refers to it; a provider is nobody's child here.
  return [...providers.values(), ...resources];
}

const isProvider = (type: string) => type.startsWith("pulumi:providers:");

function providerOf(
  { provider }: Step,
  steps: readonly Step[],
  before: ReadonlyMap<string, CheckpointResource>,
  made: Map<string, CheckpointResource>,
): CheckpointResource {
  const urn = provider.slice(0, provider.lastIndexOf("::"));
  const known = made.get(urn) ?? before.get(urn);
  // `pulumi:providers:hcloud`, `default_1_41_0`
  const [type = "", name = ""] = urn.split("::").slice(-2);
  const version = /^default_(\d+)_(\d+)_(\d+)/.exec(name)?.slice(1, 4).join(".");
  const declared = steps.find((each) => each.urn === urn)?.after;
  const values = { ...(version !== undefined && { version }), ...withoutUnknown(declared ?? {}) };
  const bare = type.split("$").at(-1) ?? type;
  const resource = known ?? { urn, type: bare, custom: true, id: randomUUID(), inputs: values, outputs: values };
  made.set(urn, resource);
  return resource;
}

/** Hetzner's ids are numbers, so programs may convert them to numbers. Far above those of living servers. */
function idOf({ urn, type }: Step): string {
  const digest = createHash("sha256").update(urn).digest();
  return type.startsWith("hcloud:")
    ? (String(9_000_000_000 + digest.readUInt32BE(0) / 8).split(".")[0] ?? "")
    : digest.toString("hex").slice(0, 16);
}

/** From the ranges for documentation (RFC 5737, RFC 3849). */
const madeUp = ({ type }: Step): Values =>
  type === resourceTypes.server
    ? { ipv4Address: "192.0.2.10", ipv6Address: "2001:db8::1", ipv6Network: "2001:db8::/64" }
    : {};

function withoutUnknown(values: Values): Values {
  const kept = Object.entries(values).flatMap(([key, value]): [string, unknown][] => {
    // Lists of ids: the list itself is known.
    if (Array.isArray(value)) return [[key, value.filter((each) => !hasUnknown(each))]];
    return hasUnknown(value) ? [] : [[key, value]];
  });
  return Object.fromEntries(kept);
}
