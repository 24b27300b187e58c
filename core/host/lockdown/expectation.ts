import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Hetzner } from "../../base/hetzner/client.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allFirewalls, allServers } from "../../base/hetzner/pages.ts";
import { resourceTypes } from "../../base/hetzner/resource-types.ts";
import { problemLine } from "../../base/problem.ts";
import { parseJson } from "../../base/text/json.ts";
import type { Layout } from "../../project/layout.ts";
import type { Access } from "../../project/settings/access.ts";
import { declaredRules } from "../../project/settings/declared-rules.ts";
import { readStackFile } from "../../project/settings/stack-file.ts";
import { readHostState, type StackState } from "../../project/state/state.ts";
import { type Expected, lockdownFacts } from "./facts.ts";

export interface Expectation {
  expected: Expected;
  /** `state`: what the last `up` declared. `stack file`: what the next one would. `labels`: neither could be read. */
  from: "state" | "stack file" | "labels";
  /** A sentence each: what is unknown, and where files and state disagree. */
  notes: string[];
}

/**
 * What is expected of a host, from the best source available: what the last `up` declared, else the stack file, else only that
 * none of our firewalls opens TCP/22.
 * @returns undefined if Hetzner has no server for this host
 * @throws UserError if Hetzner cannot be asked
 */
export async function expectationOf(
  hetzner: Hetzner,
  { layout, host, access }: { layout: Layout; host: string; access: Access },
): Promise<Expectation | undefined> {
  const stack = readStackFile(layout, host);
  const state = readHostState(layout, host);
  const notes = [...stack.problems, ...state.problems, ...access.problems].map(problemLine);
  const facts = state.value && declaredIn(state.value);
  if (facts) {
    const now = stack.value?.sshExposure;
    if (now !== undefined && now !== facts.sshExposure) {
      notes.push(
        `sshExposure is "${now}" in the stack file, but the last up used "${facts.sshExposure}": clawdlets up --host ${host}`,
      );
    }
    return { expected: facts, from: "state", notes };
  }
  const made = await findMade(hetzner, host, state.value);
  if (!made) return undefined;
  const base = { serverId: made.serverId, sshExposure: stack.value?.sshExposure ?? "tailnet" } as const;
  if (!stack.value || (stack.value.sshExposure === "public" && access.adminCidrs === undefined)) {
    return { expected: { ...base, ...(stack.value && { tailnet: stack.value.tailnet }) }, from: "labels", notes };
  }
  const { sshExposure, firewallRules, tailnet } = stack.value;
  const declared = declaredRules({ sshExposure, adminCidrs: access.adminCidrs ?? [], rules: firewallRules });
  const firewallId = await made.firewallId();
  return {
    expected: {
      ...base,
      rules: declared.map(({ rule }) => rule),
      tailnet,
      ...(firewallId !== undefined && { firewallId }),
    },
    from: "stack file",
    notes,
  };
}

interface Made {
  serverId: number;
  firewallId: () => Promise<number | undefined>;
}

/**
 * Finds the server by the ids in the state, else by our labels. An adopted host has no labels before its first `up`: by labels
 * alone it would count as missing, whatever is open on it.
 */
async function findMade(hetzner: Hetzner, host: string, state: StackState | undefined): Promise<Made | undefined> {
  const idIn = (type: string) => {
    const id = Number(state?.resources.find((each) => each.type === type)?.id);
    return Number.isInteger(id) ? id : undefined;
  };
  const [serverId, firewallId] = [idIn(resourceTypes.server), idIn(resourceTypes.firewall)];
  if (serverId !== undefined && firewallId !== undefined) return { serverId, firewallId: async () => firewallId };
  const [server, ...more] = await allServers(hetzner, `look for the server of ${host}`, selectorOf(host));
  if (!server) return undefined;
  if (more.length > 0) {
    throw new UserError(
      {
        subject: host,
        problem: `Hetzner has ${more.length + 1} servers with this host's labels (${[server, ...more].map(({ id }) => id).join(", ")}), and there is no state here that says which one it is.`,
        fix: "Check them in the Hetzner console.",
      },
      { exitCode: exitCodes.failed },
    );
  }
  return {
    serverId: server.id,
    async firewallId() {
      const firewalls = await allFirewalls(hetzner, `look for the firewall of ${host}`, selectorOf(host));
      return (firewalls.find(({ name }) => name === `${host}-fw`) ?? firewalls[0])?.id;
    },
  };
}

/** The facts of the stack's Lockdown, read from the state: an input without secrets. */
function declaredIn({ resources }: StackState): Expected | undefined {
  const lockdown = resources.find(({ type }) => type.endsWith("clawdlets:index:Lockdown"));
  const proof = resources.find(
    ({ type, parent }) => type === resourceTypes.localCommand && parent === lockdown?.urn && lockdown !== undefined,
  );
  const environment = proof?.inputs["environment"];
  const text = typeof environment === "object" && environment !== null && Reflect.get(environment, "CLAWDLETS_FACTS");
  if (typeof text !== "string") return undefined;
  // Where another program wrote it, the stack file says what is declared.
  return lockdownFacts.safeParse(parseJson(text)).data;
}
