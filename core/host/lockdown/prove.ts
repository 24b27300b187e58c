import { UserError } from "../../base/errors.ts";
import { type ExitCode, exitCodes } from "../../base/exit-codes.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { asUserError } from "../../base/system-errors.ts";
import { poll } from "../../base/wait-until.ts";
import type { Layout } from "../../project/layout.ts";
import type { Access } from "../../project/settings/access.ts";
import { confirmTailnet } from "../install/confirm.ts";
import { type PortTries, tryPort } from "../reach/port.ts";
import { notRunning } from "../server/power.ts";
import type { Report } from "../steps.ts";
import type { Expected } from "./facts.ts";
import { type FirewallsSeen, lookAtFirewalls } from "./firewalls.ts";

export interface LockdownRequest {
  layout: Layout;
  host: string;
  access: Access;
  expected: Expected;
  /** How long the tailnet may take to answer: an installed host joins a moment after its boot. */
  tailnetSeconds: number;
  signal: AbortSignal;
  report: Report;
}

/**
 * `locked`: everything that has to be closed was seen closed. `open`: something is open that is not declared to be. `unknown`: it
 * could not be found out.
 */
export type LockdownAnswer = "locked" | "open" | "unknown";

/** What was looked at, for people and machines. `ok` is false as soon as one thing is not as declared. */
export interface LockdownSeen {
  ok: boolean;
  answer: LockdownAnswer;
  host: string;
  serverId: number;
  /** Inbound rules in force, as the API says. */
  rules: number;
  /** What connecting to TCP/22 from here showed, for each address of the server. */
  ports: PortTries[];
  tailnet: "answers" | "does not answer" | "not asked for" | "not looked at";
  wrong: string[];
  /** What passes, and should not stay. */
  warnings: string[];
  exitCode: ExitCode;
}

/** Seconds that a rule may need to be in force everywhere. */
const settleSeconds = 30;

/**
 * Looks whether a server is locked down: the way in that stays first, then what the API says, then the port itself.
 * Believes nothing of the engine: a provider can report a successful update that left port 22 open
 * (hetznercloud/terraform-provider-hcloud#1482). Changes nothing.
 * @throws UserError when Hetzner cannot be asked; what is found open is in the result
 */
export async function lookAtLockdown(request: LockdownRequest): Promise<LockdownSeen> {
  const { host, access, expected } = request;
  const tailnet = await lookAtTailnet(request);
  const seen = await settled(request);
  const ports: PortTries[] = [];
  // A port that is open as declared is looked at once: it need not close.
  const patience = seen.mayBeOpen || seen.wrong.length > 0 ? { tries: 1, settleSeconds: 0 } : {};
  for (const address of seen.addresses) ports.push(await tryPort(address, access.sshPort, patience));
  const open = ports.filter(({ closed, notTried }) => !closed && notTried === undefined);
  const tried = ports.filter(({ notTried }) => notTried === undefined);
  const portsWrong = seen.mayBeOpen
    ? []
    : open.map(({ address, seen: tries }) => `TCP/22 of ${address} is ${tries.slice(-3).join(", ")} from here`);
  const opened = [...seen.wrong, ...portsWrong];
  const unproven = [
    ...seen.unproven,
    // A machine that is off or gone refuses every connection, whatever its firewall says.
    ...(seen.status === "running" ? [] : [notRunning(host, seen.status)]),
    ...(seen.addresses.length > 0 && tried.length === 0 ? ["TCP/22 could not be tried from here at all"] : []),
    ...tailnet.wrong,
  ];
  const answer = opened.length > 0 ? "open" : unproven.length > 0 ? "unknown" : "locked";
  const wrong = [...opened, ...unproven, ...seen.differs];
  return {
    ok: wrong.length === 0,
    answer,
    host,
    serverId: expected.serverId,
    rules: seen.rules,
    ports,
    tailnet: tailnet.state,
    wrong,
    warnings: [
      ...seen.warnings,
      ...tailnet.warnings,
      ...ports.flatMap(({ version, notTried }) => (notTried ? [`IPv${version} was not tried: ${notTried}`] : [])),
    ],
    exitCode: wrong.length === 0 ? exitCodes.ok : exitCodeOf(answer),
  };
}

/** Of a host that is not as declared. @param answer `locked` where only something declared is missing */
export const exitCodeOf = (answer: LockdownAnswer): ExitCode =>
  answer === "locked" ? exitCodes.failed : answer === "open" ? exitCodes.open : exitCodes.unknown;

/** What an answer means to who reads it; `ok` is false where something declared is missing. */
export function answerInWords(answer: LockdownAnswer, ok: boolean): string {
  if (answer === "open") return "NOT LOCKED DOWN";
  if (answer === "unknown") return "NOT KNOWN whether it is locked down";
  return ok ? "locked down" : "locked down, but not as declared";
}

/** @throws UserError (open, unknown, failed) with everything that is not as declared */
export async function proveLockdown(request: LockdownRequest): Promise<LockdownSeen> {
  const { host, report } = request;
  const seen = await lookAtLockdown(request);
  for (const warning of seen.warnings) report("close", `warning: ${warning}`);
  if (!seen.ok) {
    const next =
      seen.answer === "open"
        ? `Close it: clawdlets lockdown --host ${host}; what is declared comes back with: clawdlets up --host ${host}`
        : `Fix what stands below, then: clawdlets verify --host ${host}`;
    throw new UserError(
      { subject: host, problem: `${answerInWords(seen.answer, false)}. ${next}` },
      {
        exitCode: seen.exitCode,
        details: seen.wrong,
      },
    );
  }
  report("close", `locked down: ${inOneLine(seen)}`);
  return seen;
}

/** e.g. `1 rule, as declared, TCP/22 is refused, refused, refused, tailnet answers` */
export function inOneLine({ rules, ports, tailnet }: LockdownSeen): string {
  const port = ports.flatMap(({ version, seen }) =>
    seen.length > 0 ? [`TCP/22 is ${seen.slice(-3).join(", ")}${version === 6 ? " on IPv6" : ""}`] : [],
  );
  return [`${rules} ${rules === 1 ? "rule" : "rules"}, as declared`, ...port, `tailnet ${tailnet}`].join(", ");
}

async function settled({ host, access, expected, signal }: LockdownRequest): Promise<FirewallsSeen> {
  const { endpoint, token } = access;
  const hetzner = createHetzner({
    endpoint,
    token,
    signal,
    limits: { attempts: 4, maxWaitSeconds: 10, trySeconds: 10 },
  });
  const look = () => lookAtFirewalls(hetzner, { host, expected, adminCidrs: access.adminCidrs });
  let seen = await look();
  await poll(
    async () => {
      if (seen.pending) seen = await look();
      return seen.pending ? undefined : seen;
    },
    { seconds: settleSeconds, pauseMs: 500, signal },
  );
  return seen;
}

interface TailnetSeen {
  state: LockdownSeen["tailnet"];
  wrong: string[];
  warnings: string[];
}

async function lookAtTailnet(request: LockdownRequest): Promise<TailnetSeen> {
  const { layout, host, access, expected, tailnetSeconds, signal } = request;
  if (expected.tailnet === "none") return { state: "not asked for", wrong: [], warnings: [] };
  const { sshPubkeyFile } = access;
  if (expected.tailnet === undefined || sshPubkeyFile === undefined) {
    const why =
      sshPubkeyFile === undefined ? "stack.json does not say with which key" : "nothing says whether there is one";
    return { state: "not looked at", wrong: [], warnings: [`no session over the tailnet was tried: ${why}`] };
  }
  try {
    const local = { ...access, sshPubkeyFile };
    await confirmTailnet({ layout, settings: { host }, local, signal }, tailnetSeconds);
    return { state: "answers", wrong: [], warnings: [] };
  } catch (error) {
    signal.throwIfAborted();
    const known = asUserError(error);
    if (!known) throw error;
    return { state: "does not answer", wrong: [known.message], warnings: [] };
  }
}
