import { UserError } from "../../base/errors.ts";
import { type ExitCode, exitCodes } from "../../base/exit-codes.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { problemSentence } from "../../base/problem.ts";
import { asUserError } from "../../base/system-errors.ts";
import { poll } from "../../base/wait-until.ts";
import { counted } from "../../base/wording.ts";
import type { Layout } from "../../project/layout.ts";
import type { Access } from "../../project/settings/access.ts";
import { readStackFile } from "../../project/settings/stack-file.ts";
import { confirmTailnet } from "../install/confirm.ts";
import { type PortTries, triesInWords, tryPort } from "../reach/port.ts";
import { findInTailnet } from "../reach/tailnet.ts";
import { notRunning } from "../server/power.ts";
import type { Report } from "../steps.ts";
import type { Expected } from "./facts.ts";
import { type FirewallsSeen, lookAtFirewalls } from "./firewalls.ts";

export interface LockdownRequest {
  layout: Layout;
  host: string;
  access: Access;
  expected: Expected;
  /** How long to wait for the tailnet: a freshly installed host joins a moment after it boots. */
  tailnetSeconds: number;
  signal: AbortSignal;
  report: Report;
}

/**
 * `locked`: everything that must be closed is closed. `open`: something is open without being declared. `unknown`: the check
 * could not decide.
 */
export type LockdownAnswer = "locked" | "open" | "unknown";

/** The result of the check, for people and machines. `ok` is false if anything is not as declared. */
export interface LockdownSeen {
  ok: boolean;
  answer: LockdownAnswer;
  host: string;
  serverId: number;
  /** Inbound rules in force, according to the API. */
  rules: number;
  /** Attempts to connect to TCP/22 from here, for each address of the server. */
  ports: PortTries[];
  tailnet: "answers" | "does not answer" | "not asked for" | "not checked";
  /** When the host's tailnet key expires, e.g. `in 3 days`; omitted if that is more than 30 days away. */
  tailnetKeyExpires?: string;
  /** Last day of that key, e.g. `2027-03-01`, or `never`; omitted if the tailnet did not answer. */
  tailnetKey?: string;
  wrong: string[];
  /** What is acceptable for now, but should not stay. */
  warnings: string[];
  exitCode: ExitCode;
}

/** Seconds until a rule is in force everywhere. */
const settleSeconds = 30;

/**
 * Checks that a server is locked down: first that the tailnet works, then the firewalls in the API, then the port itself.
 * Does not trust the engine: a provider can report a successful update that left port 22 open
 * (hetznercloud/terraform-provider-hcloud#1482). Changes nothing.
 * @throws UserError if Hetzner cannot be asked; anything found open is in the result
 */
export async function lookAtLockdown(request: LockdownRequest): Promise<LockdownSeen> {
  const { host, access, expected } = request;
  const tailnet = await lookAtTailnet(request);
  const seen = await settled(request);
  const ports: PortTries[] = [];
  // One try is enough for a port that is declared open: it does not have to close.
  const patience = seen.mayBeOpen || seen.wrong.length > 0 ? { tries: 1, settleSeconds: 0 } : {};
  for (const address of seen.addresses) ports.push(await tryPort(address, access.sshPort, patience));
  const open = ports.filter(({ closed, notTried }) => !closed && notTried === undefined);
  const tried = ports.filter(({ notTried }) => notTried === undefined);
  const portsWrong = seen.mayBeOpen
    ? []
    : open.map(({ address, seen: tries }) => `TCP/22 of ${address} is ${triesInWords(tries)} from here`);
  const opened = [...seen.wrong, ...portsWrong];
  const unproven = [
    ...seen.unproven,
    // A machine that is off or gone accepts no connection, whatever its firewall allows.
    ...(seen.status === "running" ? [] : [notRunning(host, seen.status)]),
    ...(seen.addresses.length > 0 && tried.length === 0 ? ["TCP/22 could not be tried from this machine"] : []),
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
    ...(tailnet.expires !== undefined && { tailnetKeyExpires: tailnet.expires }),
    ...(tailnet.key !== undefined && { tailnetKey: tailnet.key }),
    wrong,
    warnings: [
      ...seen.warnings,
      ...tailnet.warnings,
      ...ports.flatMap(({ version, notTried }) => (notTried ? [`IPv${version} was not tried: ${notTried}`] : [])),
    ],
    exitCode: wrong.length === 0 ? exitCodes.ok : exitCodeOf(answer),
  };
}

/** Exit code for a host that is not as declared. @param answer `locked` if only something declared is missing */
export const exitCodeOf = (answer: LockdownAnswer): ExitCode =>
  answer === "locked" ? exitCodes.failed : answer === "open" ? exitCodes.open : exitCodes.unknown;

/** The answer as a person reads it. `ok` is false if something declared is missing. */
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
        ? `Close it: clawdlets lockdown --host ${host}; to restore what is declared: clawdlets up --host ${host}`
        : `Fix the problems below, then: clawdlets verify --host ${host}`;
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

/** e.g. `1 rule, as declared, TCP/22 is refused (3 tries), tailnet answers` */
export function inOneLine({ rules, ports, tailnet }: LockdownSeen): string {
  const port = ports.flatMap(({ version, seen }) =>
    seen.length > 0 ? [`TCP/22 is ${triesInWords(seen)}${version === 6 ? " on IPv6" : ""}`] : [],
  );
  return [`${counted(rules, "rule")}, as declared`, ...port, `tailnet ${tailnet}`].join(", ");
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
  expires?: string;
  key?: string;
  wrong: string[];
  warnings: string[];
}

async function lookAtTailnet(request: LockdownRequest): Promise<TailnetSeen> {
  const { layout, host, access, expected, tailnetSeconds, signal } = request;
  if (expected.tailnet === "none") return { state: "not asked for", wrong: [], warnings: [] };
  const { sshPubkeyFile } = access;
  if (expected.tailnet === undefined || sshPubkeyFile === undefined) {
    const why =
      sshPubkeyFile === undefined ? "stack.json names no ssh key" : "it is unknown whether the host has a tailnet";
    return { state: "not checked", wrong: [], warnings: [`no session over the tailnet was tried: ${why}`] };
  }
  try {
    const local = { ...access, sshPubkeyFile };
    const settings = { host, sshHostKey: readStackFile(layout, host).value?.sshHostKey };
    const { address } = await confirmTailnet({ layout, settings, local, signal }, tailnetSeconds);
    const { warnings, keys } = await findInTailnet(local, host, signal);
    const ofHost = warnings.host.get(address);
    const key = keys.get(address);
    const expiring = [...warnings.own, ...(ofHost ? [ofHost] : [])];
    return {
      state: "answers",
      ...(ofHost && { expires: ofHost.when }),
      ...(key !== undefined && { key }),
      wrong: [],
      warnings: expiring.map(problemSentence),
    };
  } catch (error) {
    signal.throwIfAborted();
    const known = asUserError(error);
    if (!known) throw error;
    return { state: "does not answer", wrong: [known.message], warnings: [] };
  }
}
