import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { hasCode } from "../../base/errors.ts";
import { resourceTypes } from "../../base/hetzner/resource-types.ts";
import { readFolder } from "../../base/machine/private-files.ts";
import type { Problem } from "../../base/problem.ts";
import { parseJson } from "../../base/text/json.ts";
import type { Layout } from "../layout.ts";
import { ownFolderProblem } from "../own-folder.ts";
import { configNamespace } from "../settings/stack-config/stack-config.ts";
import { readProjectFile } from "./project-file.ts";

/** One resource in the engine's file backend; its secrets stay encrypted. */
const resource = z.looseObject({
  urn: z.string(),
  type: z.string(),
  id: z.string().optional(),
  inputs: z.record(z.string(), z.unknown()).default({}),
  outputs: z.record(z.string(), z.unknown()).default({}),
});

/** An operation that the engine started but did not finish, because it was killed. */
const pendingOperation = z.looseObject({ type: z.string(), resource });

const deployment = z.looseObject({
  resources: z.array(resource).default([]),
  pending_operations: z.array(pendingOperation).nullish(),
  manifest: z.looseObject({ time: z.string().optional() }).optional(),
});
const file = z.object({ checkpoint: z.object({ latest: deployment.nullish() }) });

export type StateResource = z.infer<typeof resource>;

export interface StackState {
  resources: StateResource[];
  /** What a run was doing when it was killed; `type` is `creating`, `updating`, `deleting` and so on. */
  pending: { type: string; resource: StateResource }[];
}

const folderOf = (layout: Layout) => join(layout.state, ".pulumi", "stacks", projectName(layout));

/** Falls back to our own name if there is no Pulumi.yaml. */
const projectName = (layout: Layout) =>
  existsSync(join(layout.root, "Pulumi.yaml")) ? readProjectFile(layout).name : configNamespace;

/** The state file of a host in the engine's file backend. */
export const stateFileOf = (layout: Layout, host: string) => join(folderOf(layout), `${host}.json`);

/** @returns undefined for a truncated file; `writtenAt` is ISO 8601, or empty for a stack without a run */
export function parseCheckpoint(text: string): { writtenAt: string } | undefined {
  const { success, data } = file.safeParse(parseJson(text));
  return success ? { writtenAt: data.checkpoint.latest?.manifest?.time ?? "" } : undefined;
}

/** The stacks whose state is on this machine. */
export function listStates(layout: Layout): string[] {
  return readFolder(folderOf(layout)).flatMap((name) => /^([^.]+)\.json$/.exec(name)?.[1] ?? []);
}

/**
 * Reads the engine's state of one host directly from its file, without engine, lock or passphrase.
 * @returns no value if the host has no state here
 */
export function readState(layout: Layout, host: string): { value?: StackState; problems: Problem[] } {
  const folder = ownFolderProblem(layout);
  if (folder?.isForeign) return { problems: [folder] };
  const where = `.clawdlets/state/.pulumi/stacks/${projectName(layout)}/${host}.json`;
  let text: string;
  try {
    text = readFileSync(stateFileOf(layout, host), "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return { problems: [] };
    throw error;
  }
  const parsed = file.safeParse(parseJson(text));
  if (!parsed.success) {
    return {
      problems: [
        {
          code: "state-unreadable",
          subject: where,
          problem: `is truncated, as happens if a run is killed while writing (${z.prettifyError(parsed.error)}).`,
          fix: `Restore the last good copy: clawdlets up --host ${host}`,
        },
      ],
    };
  }
  return { value: stateIn(parsed.data.checkpoint.latest), problems: [] };
}

/** @param latest as in a state file, or as the engine exports it; undefined for a stack without a run */
export function stateIn(latest: unknown): StackState {
  const { resources = [], pending_operations } = deployment.safeParse(latest).data ?? {};
  return { resources, pending: pending_operations ?? [] };
}

/** Name suffixes of the resources that our components create for a host. The exact list matters: another host may be called `<host>-x`. */
const ownNames = ["", "-server", "-bootstrap-key", "-firewall", "-install", "-proof", "-location", "-type"];

/**
 * The same for one host in any stack: a team's program may create many hosts in one stack.
 * @returns no value if no state here has the host
 */
export function readHostState(layout: Layout, host: string): { value?: StackState; problems: Problem[] } {
  const own = readState(layout, host);
  if (own.value?.resources.length || own.problems.length > 0) return own;
  const urnsEnd = ownNames.map((end) => `::${host}${end}`);
  for (const stack of listStates(layout)) {
    const { value } = readState(layout, stack);
    const resources = (value?.resources ?? []).filter(({ urn }) => urnsEnd.some((end) => urn.endsWith(end)));
    // Only a stack that installs the host, whether its server is ours or the team's.
    if (value && resources.some(({ type }) => type === "clawdlets:index:NixosInstall"))
      return { value: { ...value, resources }, problems: [] };
  }
  return own;
}

/** The server in a host's state, with its last known type and location. */
export interface KnownServer {
  id: number;
  serverType: string | undefined;
  location: string | undefined;
  /** Whether it was created with a public IPv4 address; undefined if the state does not say. */
  hasIpv4: boolean | undefined;
}

/** The host's server in a state. */
export function serverIn(state: StackState | undefined): KnownServer | undefined {
  const server = state?.resources.find(({ type }) => type === resourceTypes.server);
  const id = Number(server?.id);
  if (!server || !Number.isInteger(id) || id <= 0) return undefined;
  const { serverType, location } = server.outputs;
  return { id, serverType: textOf(serverType), location: textOf(location), hasIpv4: hadIpv4(server) };
}

/** By the inputs: an address that was removed in the console is another problem. */
function hadIpv4({ inputs, outputs }: StateResource): boolean | undefined {
  const [nets] = Array.isArray(inputs["publicNets"]) ? inputs["publicNets"] : [];
  if (typeof nets?.ipv4Enabled === "boolean") return nets.ipv4Enabled;
  return textOf(outputs["ipv4Address"]) ? true : undefined;
}

/** What was drawn for a host. */
export interface Draw {
  serverType: string | undefined;
  location: string | undefined;
}

/** The location and type that an earlier run drew for a host, whether or not it bought the server. */
export function drawsIn(state: StackState | undefined, host: string): Draw {
  const drawn = (name: string) => {
    const shuffle = state?.resources.find(
      ({ type, urn }) => type === resourceTypes.shuffle && urn.endsWith(`::${host}-${name}`),
    );
    const results = shuffle?.outputs["results"];
    return Array.isArray(results) ? textOf(results[0]) : undefined;
  };
  return { serverType: drawn("type"), location: drawn("location") };
}

const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);

/** All resource ids by the engine's type, from every state on this machine. */
export function idsInStates(layout: Layout): { ids: Map<string, Set<string>>; problems: Problem[] } {
  const ids = new Map<string, Set<string>>();
  const problems: Problem[] = [];
  for (const host of listStates(layout)) {
    const state = readState(layout, host);
    problems.push(...state.problems);
    for (const { type, id } of state.value?.resources ?? []) {
      if (id !== undefined) ids.set(type, (ids.get(type) ?? new Set()).add(id));
    }
  }
  return { ids, problems };
}
