import { createHash, randomBytes } from "node:crypto";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { poll } from "../../base/wait-until.ts";
import { deliverOver } from "../delivery/send-secrets.ts";
import { noRoute, type RouteOrReason } from "../reach/route.ts";
import type { SshRoute } from "../reach/ssh.ts";
import { type ActivationState, giveOrder, lookAtActivation, refusedOrder, type Sight } from "./orders.ts";

export interface Activation {
  host: string;
  /** Finds the way in; asked before each connection, since the switch may change it. */
  route: () => Promise<RouteOrReason>;
  /** 40 hex digits, of the branch that the host's configuration names; `newest` for its newest commit, `previous` for the generation before. */
  rev: string;
  /** Ciphertext by secret name, sent before the switch. Undefined leaves the host's as they are. */
  secrets?: Readonly<Record<string, string>> | undefined;
  /** Seconds from the switch until the host goes back unless it was confirmed; 10 to 3600. */
  deadlineSeconds: number;
  /** Seconds that the host may build, and that it may be silent after its deadline. */
  limits?: { build: number; silence: number };
  signal: AbortSignal;
  report: (text: string) => void;
}

export interface Activated {
  host: string;
  /** False where the host ran the wanted system already. */
  changed: boolean;
  rev: string;
  systemPath: string;
  /** Whether new ciphertext was put in place. */
  secretsChanged: boolean;
  bootId: string;
}

const defaults = { build: 3700, silence: 900 };
const pauseMs = 500;

/**
 * Changes a running host: new secrets, then the switch, in a unit of the host's own, which goes back by itself unless this
 * process reaches the new system over a new connection. Success is what was seen afterwards: the wanted system on the boot
 * that the host named.
 * @throws UserError (returned) when the former system runs again, (unseen) when that could not be seen, (failed) when nothing
 * was begun
 */
export async function activate(activation: Activation): Promise<Activated> {
  const { host, signal } = activation;
  const id = randomBytes(8).toString("hex");
  const token = randomBytes(32).toString("hex");
  const sum = createHash("sha256").update(token).digest("hex");
  const found = await activation.route();
  if (!found.route) throw noRoute(host, found, "Nothing was changed.");
  const { route } = found;
  await prepare(activation, route, `prepare ${id} ${sum} ${activation.deadlineSeconds}`);
  activation.report("prepared: from here on the host goes back by itself unless it is confirmed");
  try {
    const secretsChanged = await sendSecrets(activation, route, id);
    const sent = await giveOrder(route, switchOrder(activation, id), signal, patienceOf(activation));
    if (sent.kind === "refused") throw refusedOrder(host, sent.said);
    // Without an answer it may have been taken all the same: what cuts the connection can be the switch. It is looked up.
    const seen = await followed(activation, id, token);
    return { host, secretsChanged, ...seen };
  } catch (error) {
    if (signal.aborted) throw stopped(activation);
    throw error;
  }
}

async function prepare({ host, signal }: Activation, route: SshRoute, text: string): Promise<void> {
  const answer = await giveOrder(route, text, signal);
  if (answer.kind === "taken") return;
  if (answer.kind === "refused") throw refusedOrder(host, answer.said);
  throw new UserError({ subject: host, problem: "no ssh session under the pinned key. Nothing was changed." });
}

const switchOrder = ({ rev }: Activation, id: string) => `switch ${id} ${rev}`;

/** Old files stay beside the new ones until activation is over; a refusal takes all of it back. */
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
    await giveOrder(route, `cancel ${id}`, signal); // Otherwise the host does it at the deadline.
    throw error;
  });
  report(
    changed ? "the host has the new secrets, and keeps the old ones until this is over" : "the secrets are the same",
  );
  return changed;
}

type Seen = Omit<Activated, "host" | "secretsChanged">;

/** Each look is a connection of its own: one that stood before the switch would prove nothing of the new way in. */
async function followed(activation: Activation, id: string, token: string): Promise<Seen> {
  const { signal, report, deadlineSeconds, limits = defaults } = activation;
  let told = "";
  const seconds = limits.build + deadlineSeconds + limits.silence;
  let patience = performance.now() + seconds * 1000;
  let last: ActivationState | undefined;
  const follow = async () => {
    if (performance.now() >= patience) throw unseen(activation, last);
    const found = await activation.route().catch(() => undefined);
    const route = found?.route;
    const sight = route && (await lookAtActivation(route, signal, patienceOf(activation)));
    const state = sight?.state;
    if (route && sight && state) {
      const say = (text: string) => giveOrder(route, text, signal, patienceOf(activation));
      if (state.id !== id) throw taken(activation, state);
      if (state.phase !== told) report(inWords(state));
      told = state.phase;
      // From the switch on it is the host's own deadline that counts.
      if (!/prepared|building/.test(state.phase) && /prepared|building/.test(last?.phase ?? "building")) {
        patience = Math.min(patience, performance.now() + (deadlineSeconds + limits.silence) * 1000);
      }
      last = state;
      if (state.phase === "prepared") await say(switchOrder(activation, id)); // It did not get there.
      if (state.phase === "done") return ended(activation, sight, state);
      if (state.phase === "waiting" && isWanted(sight, state)) await say(`confirm ${id} ${token}`);
    }
    return undefined;
  };
  const result = await poll(follow, { seconds, pauseMs, signal });
  if (!result) throw unseen(activation, last);
  return result;
}

/** Seconds for one connection: one that the switch has cut without a word may not use up the time that there is. */
const patienceOf = ({ deadlineSeconds }: Activation) => Math.min(20, Math.max(3, Math.ceil(deadlineSeconds / 6)));

const isWanted = ({ systemPath, bootId }: Sight, { to, bootId: known }: ActivationState) =>
  systemPath === to && bootId === known;

function ended(activation: Activation, sight: Sight, state: ActivationState): Seen {
  const { host } = activation;
  const { systemPath, bootId } = sight;
  if (state.result === "switched" && isWanted(sight, state)) {
    return { changed: state.from !== state.to, rev: state.rev, systemPath, bootId };
  }
  if (state.result === "returned" && systemPath === state.from) {
    throw new UserError(
      {
        subject: host,
        problem: `NOT CHANGED, it runs ${systemPath} as before, with the secrets from before: ${state.why || "the host did not say why"}.`,
        fix: `Look at: clawdlets server logs --host ${host} --activation`,
      },
      { exitCode: exitCodes.returned },
    );
  }
  throw new UserError(
    {
      subject: host,
      problem: `it says "${state.result}", but runs ${systemPath} (boot ${bootId}), neither ${state.to} on boot ${state.bootId} nor ${state.from}. Somebody else has changed it: clawdlets server status --host ${host}`,
    },
    { exitCode: exitCodes.unseen },
  );
}

function inWords({ phase, to, why }: ActivationState): string {
  const words: Record<ActivationState["phase"], string> = {
    prepared: "prepared",
    building: "building",
    switching: `switching to ${to}`,
    checking: "looking whether it is healthy",
    rebooting: "rebooting into the new kernel",
    waiting: `${to} runs and can be reached`,
    returning: `going back: ${why}`,
    done: "done",
  };
  return words[phase];
}

const taken = ({ host }: Activation, { id }: ActivationState) =>
  new UserError(
    {
      subject: host,
      problem: `another activation (${id}) was begun meanwhile: clawdlets server status --host ${host}`,
    },
    {
      exitCode: exitCodes.unseen,
    },
  );

const unseen = ({ host, deadlineSeconds }: Activation, last: ActivationState | undefined) =>
  new UserError(
    {
      subject: host,
      problem: `NOT SEEN since it was ${last?.phase ?? "told to switch"}. Nothing was confirmed, so by itself it runs ${last?.from ?? "the former system"} again within ${deadlineSeconds} s of its switch. Is this machine in the tailnet?`,
      fix: `Then: clawdlets server status --host ${host}; where the tailnet itself is broken: clawdlets server status --host ${host} --window`,
    },
    { exitCode: exitCodes.unseen },
  );

const stopped = ({ host, deadlineSeconds }: Activation) =>
  new UserError(
    {
      subject: host,
      problem: `stopped. Unless it was confirmed already, the host goes back by itself within ${deadlineSeconds} s of its switch: clawdlets server status --host ${host}`,
    },
    { exitCode: exitCodes.unseen },
  );
