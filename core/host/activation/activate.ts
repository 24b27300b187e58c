import { createHash, randomBytes } from "node:crypto";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { poll } from "../../base/wait-until.ts";
import { deliverOver } from "../delivery/send-secrets.ts";
import { isFinal } from "../reach/refusal.ts";
import { noRoute, type RouteOrReason } from "../reach/route.ts";
import type { SshRoute } from "../reach/ssh.ts";
import {
  type ActivationState,
  giveOrder,
  type HostSnapshot,
  isUnfetched,
  readActivation,
  refusedOrder,
} from "./orders.ts";
import { previousSystem } from "./previous.ts";
import type { Release, ReleaseRules } from "./sign.ts";

export interface Activation {
  host: string;
  /** Finds a route to the host. Called before each connection, because the switch may change it. */
  route: () => Promise<RouteOrReason>;
  /** Commit (40 hex digits) on the branch that the host's configuration names, its `newest` one, or the `previous` generation. */
  rev: string;
  /** Signs what the host is to switch to; undefined if the host accepts unsigned changes. @throws UserError without a key */
  sign?: (what: string, rules: ReleaseRules) => Release | undefined;
  /** Ciphertext by secret name, sent before the switch. Undefined: the host keeps the secrets it has. */
  secrets?: Readonly<Record<string, string>> | undefined;
  /** Seconds from the switch until the host rolls back unless the change is confirmed; 10 to 3600. */
  deadlineSeconds: number;
  /** Seconds allowed for the build, and for silence after the host's deadline. */
  limits?: { build: number; silence: number };
  signal: AbortSignal;
  /** What is going on, and how many seconds it may take. */
  report: (text: string, limitSeconds?: number) => void;
}

export interface Activated {
  host: string;
  /** False if the host already ran the wanted system. */
  changed: boolean;
  rev: string;
  systemPath: string;
  /** True if the host received new ciphertext. */
  secretsChanged: boolean;
  bootId: string;
}

const defaults = { build: 3700, silence: 900 };
const pauseMs = 500;

/**
 * Changes a running host: sends new secrets, then orders the switch, which a systemd unit on the host does. The host rolls back
 * automatically (dead man's switch) unless this process reaches the new system over a new connection and confirms it. Success
 * means that the wanted system was seen running afterwards, on the boot that the host reported.
 * @throws UserError (returned) if the host rolled back, (lostContact) if the outcome is unknown, (failed) if nothing was started
 */
export async function activate(activation: Activation): Promise<Activated> {
  const { host, signal } = activation;
  const id = randomBytes(8).toString("hex");
  const token = randomBytes(32).toString("hex");
  const sum = createHash("sha256").update(token).digest("hex");
  const found = await activation.route();
  if (!found.route) throw noRoute(host, found, "Nothing was changed.");
  const { route } = found;
  const change = await changeOf(activation, route);
  await prepare(activation, route, `prepare ${id} ${sum} ${activation.deadlineSeconds}`);
  activation.report("prepared: from now on the host rolls back automatically unless the change is confirmed");
  try {
    const secretsChanged = await sendSecrets(activation, route, id);
    const sent = await giveOrder(route, `switch ${id} ${change}`, signal, patienceOf(activation));
    if (sent.kind === "refused") {
      await giveOrder(route, `cancel ${id}`, signal); // Otherwise it has the new secrets until the deadline.
      throw refusedOrder(host, sent.refusal);
    }
    // Without an answer the order may still have been accepted: the switch itself can cut the connection. Ask the host.
    const seen = await follow(activation, id, token, change);
    return { host, secretsChanged, ...seen };
  } catch (error) {
    if (signal.aborted) throw stopped(activation);
    throw error;
  }
}

async function prepare({ host, signal }: Activation, route: SshRoute, text: string): Promise<void> {
  const answer = await giveOrder(route, text, signal);
  if (answer.kind === "taken") return;
  if (answer.kind === "refused") throw refusedOrder(host, answer.refusal);
  throw new UserError({ subject: host, problem: "no ssh session with the pinned key. Nothing was changed." });
}

/** What the host is ordered to switch to, signed if it asks for that. */
async function changeOf({ host, rev, sign, signal }: Activation, route: SshRoute): Promise<string> {
  const rules = await readActivation(route, signal);
  if (!rules)
    throw new UserError({ subject: host, problem: "no ssh session with the pinned key. Nothing was changed." });
  // What "previous" means changes with each switch, so it cannot be signed.
  const what = rev === "previous" && rules.systemKeys.length > 0 ? await previousSystem(host, route, signal) : rev;
  const release = sign?.(what, rules);
  return release ? `${what} ${release.number} ${release.signature}${release.downgrade ? " downgrade" : ""}` : what;
}

/** The host keeps the old files until the activation ends; if it refuses the new ones, all of them are rolled back. */
async function sendSecrets(
  { host, secrets, signal, report }: Activation,
  route: SshRoute,
  id: string,
): Promise<boolean> {
  if (secrets === undefined) return false;
  const { changed } = await deliverOver(
    route,
    host,
    signal,
  )({ files: secrets }).catch(async (error: unknown) => {
    await giveOrder(route, `cancel ${id}`, signal); // Otherwise the host cancels at the deadline.
    throw error;
  });
  report(
    changed
      ? "the host has the new secrets, and keeps the old ones until the activation ends"
      : "the secrets are the same",
  );
  return changed;
}

type Outcome = Omit<Activated, "host" | "secretsChanged">;

/** Polls over a new connection each time: one from before the switch would not prove that the new system accepts logins. */
async function follow(activation: Activation, id: string, token: string, change: string): Promise<Outcome> {
  const { signal, report, deadlineSeconds, limits = defaults } = activation;
  let reportedPhase = "";
  const seconds = limits.build + deadlineSeconds + limits.silence;
  let patience = performance.now() + seconds * 1000;
  let last: ActivationState | undefined;
  let refused = false;
  const check = async () => {
    if (performance.now() >= patience) throw lostContact(activation, last);
    const found = await activation.route().catch(() => undefined);
    const route = found?.route;
    const snapshot = route && (await readActivation(route, signal, patienceOf(activation)));
    const state = snapshot?.state;
    if (route && snapshot && state) {
      const say = (text: string) => giveOrder(route, text, signal, patienceOf(activation));
      if (state.id !== id) throw taken(activation, state);
      if (state.phase !== reportedPhase) report(inWords(state), limitOf(state, limits.build, deadlineSeconds));
      reportedPhase = state.phase;
      // After the switch, the host's own deadline counts.
      if (!/prepared|building/.test(state.phase) && /prepared|building/.test(last?.phase ?? "building")) {
        patience = Math.min(patience, performance.now() + (deadlineSeconds + limits.silence) * 1000);
      }
      last = state;
      if (state.phase === "prepared") {
        const again = await say(`switch ${id} ${change}`); // The order did not arrive.
        if (again.kind === "refused" && isFinal(again.refusal) && again.refusal.code !== "not-prepared") {
          await say(`cancel ${id}`);
          throw refusedOrder(activation.host, again.refusal);
        }
      }
      if (state.phase === "done") return outcomeOf(activation, snapshot, state);
      if (state.phase === "waiting" && isWanted(snapshot, state) && !refused) {
        const answer = await say(`confirm ${id} ${token}`);
        // Its end is still to be seen: the host rolls back at its deadline.
        refused = answer.kind === "refused" && isFinal(answer.refusal);
        if (answer.kind === "refused" && refused)
          report(`the host refused the confirmation, so it rolls back: ${answer.refusal.said}`, deadlineSeconds);
      }
    }
    return undefined;
  };
  const result = await poll(check, { seconds, pauseMs, signal });
  if (!result) throw lostContact(activation, last);
  return result;
}

/** Seconds for one connection: a connection that the switch cut silently must not use up the deadline. */
const patienceOf = ({ deadlineSeconds }: Activation) => Math.min(20, Math.max(3, Math.ceil(deadlineSeconds / 6)));

const isWanted = ({ systemPath, bootId }: HostSnapshot, { to, bootId: known }: ActivationState) =>
  systemPath === to && bootId === known;

function outcomeOf(activation: Activation, snapshot: HostSnapshot, state: ActivationState): Outcome {
  const { host } = activation;
  const { systemPath, bootId } = snapshot;
  if (state.result === "switched" && isWanted(snapshot, state)) {
    return { changed: state.from !== state.to, rev: state.rev, systemPath, bootId };
  }
  if (state.result === "returned" && systemPath === state.from) {
    throw new UserError(
      {
        subject: host,
        problem: `NOT CHANGED. It still runs ${systemPath} with the previous secrets: ${state.why || "the host gave no reason"}.`,
        fix: isUnfetched(state)
          ? `Is clawdlets:rebuild.branch right? If the repository is private, set clawdlets:rebuild.source to "send": this machine then fetches it (docs/day-two.md).`
          : `See the log: clawdlets server logs --host ${host} --activation`,
      },
      { exitCode: exitCodes.returned },
    );
  }
  throw new UserError(
    {
      subject: host,
      problem: `it reports "${state.result}" but runs ${systemPath} (boot ${bootId}), neither ${state.to} on boot ${state.bootId} nor ${state.from}. Something else changed it: clawdlets server status --host ${host}`,
    },
    { exitCode: exitCodes.unseen },
  );
}

function inWords({ phase, to, why }: ActivationState): string {
  const words: Record<ActivationState["phase"], string> = {
    prepared: "prepared",
    building: "building",
    switching: `switching to ${to}`,
    checking: "checking its health",
    rebooting: "rebooting into the new kernel",
    waiting: `${to} runs and waits for confirmation`,
    returning: `rolling back: ${why}`,
    done: "done",
  };
  return words[phase];
}

/** A build has its own limit; after it the host rolls back on its own at the deadline. */
function limitOf({ phase }: ActivationState, build: number, deadline: number): number | undefined {
  if (phase === "prepared" || phase === "building") return build;
  return phase === "done" || phase === "returning" ? undefined : deadline;
}

const taken = ({ host }: Activation, { id }: ActivationState) =>
  new UserError(
    {
      subject: host,
      problem: `another activation (${id}) has started in the meantime: clawdlets server status --host ${host}`,
    },
    {
      exitCode: exitCodes.unseen,
    },
  );

const lostContact = ({ host, deadlineSeconds }: Activation, last: ActivationState | undefined) =>
  new UserError(
    {
      subject: host,
      problem: `LOST CONTACT while it was ${last?.phase ?? "about to switch"}. The change was not confirmed, so the host rolls back to ${last?.from ?? "the previous system"} on its own within ${deadlineSeconds} s of the switch. Is this machine in the tailnet?`,
      fix: `Check the host: clawdlets server status --host ${host}; if the tailnet itself is broken: clawdlets server status --host ${host} --window`,
    },
    { exitCode: exitCodes.unseen },
  );

const stopped = ({ host, deadlineSeconds }: Activation) =>
  new UserError(
    {
      subject: host,
      problem: `stopped. Unless the change was already confirmed, the host rolls back on its own within ${deadlineSeconds} s of the switch: clawdlets server status --host ${host}`,
    },
    { exitCode: exitCodes.unseen },
  );
