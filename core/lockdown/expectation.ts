import { declaredRules } from "../bootstrap/declared-rules.ts";
import { type Problem, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import type { Hetzner } from "../hetzner/client.ts";
import { selectorOf } from "../hetzner/labels.ts";
import { allFirewalls, allServers } from "../hetzner/pages.ts";
import type { Layout } from "../local/layout.ts";
import { readHostState, type StackState } from "../local/state.ts";
import type { Access } from "../settings/access.ts";
import { readStackFile } from "../settings/stack-file.ts";
import { type Expected, lockdownFacts } from "./facts.ts";

export interface Expectation {
  expected: Expected;
  /** `state`: what the last `up` declared. `stack file`: what the next one would. `labels`: neither could be read. */
  from: "state" | "stack file" | "labels";
  /** A sentence each: what was not known, and where files and state disagree. */
  notes: string[];
}

/**
 * What has to be so of a host, from the best that can be had: what the last `up` declared, then the stack file, and without
 * both that no firewall of ours opens TCP/22.
 * @returns undefined when Hetzner has no server of this host
 * @throws UserError when Hetzner cannot be asked
 */
export async function expectationOf(
  hetzner: Hetzner,
  { layout, host, access }: { layout: Layout; host: string; access: Access },
): Promise<Expectation | undefined> {
  const stack = readStackFile(layout, host);
  const state = readHostState(layout, host);
  const notes = [...stack.problems, ...state.problems, ...access.problems].map(inOneLine);
  const facts = state.value && declaredIn(state.value);
  if (facts) {
    const now = stack.value?.sshExposure;
    if (now !== undefined && now !== facts.sshExposure) {
      notes.push(
        `sshExposure is "${now}" in the stack file, and "${facts.sshExposure}" since the last up: clawdlets up --host ${host}`,
      );
    }
    return { expected: facts, from: "state", notes };
  }
  const [server, ...more] = await allServers(hetzner, `look for the server of ${host}`, selectorOf(host));
  if (!server) return undefined;
  if (more.length > 0) {
    throw new UserError(
      `${host}: Hetzner has ${more.length + 1} servers with this host's labels (${[server, ...more].map(({ id }) => id).join(", ")}), and no state here says which one it is. Look at them in the console.`,
      { exitCode: exitCodes.failed },
    );
  }
  const base = { serverId: server.id, sshExposure: stack.value?.sshExposure ?? "tailnet" } as const;
  if (!stack.value || (stack.value.sshExposure === "public" && access.adminCidrs === undefined)) {
    return { expected: { ...base, ...(stack.value && { tailnet: stack.value.tailnet }) }, from: "labels", notes };
  }
  const { sshExposure, firewallRules, tailnet } = stack.value;
  const declared = declaredRules({ sshExposure, adminCidrs: access.adminCidrs ?? [], rules: firewallRules });
  const firewalls = await allFirewalls(hetzner, `look for the firewall of ${host}`, selectorOf(host));
  const own = firewalls.find(({ name }) => name === `${host}-fw`) ?? firewalls[0];
  return {
    expected: {
      ...base,
      rules: declared.map(({ rule }) => rule),
      tailnet,
      ...(own && { firewallId: own.id }),
    },
    from: "stack file",
    notes,
  };
}

/** The facts of the stack's Lockdown, as they stand in the state: an input without secrets. */
function declaredIn({ resources }: StackState): Expected | undefined {
  const lockdown = resources.find(({ type }) => type.endsWith("clawdlets:index:Lockdown"));
  const proof = resources.find(
    ({ type, parent }) => type === "command:local:Command" && parent === lockdown?.urn && lockdown !== undefined,
  );
  const environment = proof?.inputs["environment"];
  const text = typeof environment === "object" && environment !== null && Reflect.get(environment, "CLAWDLETS_FACTS");
  if (typeof text !== "string") return undefined;
  try {
    return lockdownFacts.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // Not written by us; the stack file then says what is declared.
  }
}

const inOneLine = ({ where, setting, message }: Problem) => `${where}: ${setting}: ${message}`;
