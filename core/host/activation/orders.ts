import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { parseJson } from "../../base/text/json.ts";
import { askHost, questions } from "../reach/ask.ts";
import { type Refusal, readRefusal, refusedInWords } from "../reach/refusal.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import type { ReleaseRules } from "./sign.ts";

/** Command installed by the NixOS module (nix/host/activate.sh). It takes no arguments, so sudo can allow exactly this line. */
export const activateCommand = "sudo -n /run/current-system/sw/bin/clawdlets-activate";

const stateFile = "/var/lib/clawdlets/activation/state.json";
/** Public keys that the running system trusts, one a line. */
const keysFile = "/etc/clawdlets/system-keys";
/** One number each: the last release that was kept, and the age of the running system. The newer one counts. */
const releaseFiles = "/var/lib/clawdlets/activation/release /etc/clawdlets/release-floor";

const state = z.object({
  id: z.string(),
  phase: z.enum(["prepared", "building", "switching", "checking", "rebooting", "waiting", "returning", "done"]),
  result: z.enum(["", "switched", "returned"]),
  /** Commit to switch to; `newest` until it is resolved. */
  rev: z.string(),
  /** Store path of the previous system. */
  from: z.string(),
  /** Store path of the wanted system, once it is built. */
  to: z.string(),
  /** Boot id on which it waits for confirmation, or ended. */
  bootId: z.string(),
  why: z.string(),
  /** What to decide by, e.g. `unfetched`; often empty. Undefined from a system that is older than codes. */
  code: z.string().optional(),
  /** Number of a signed release; empty for an unsigned one, and on hosts from before releases were numbered. */
  release: z.string().default(""),
});

/** Progress of the host's last activation. */
export type ActivationState = z.infer<typeof state>;

/** The host's state as read over one connection. */
export interface HostSnapshot extends ReleaseRules {
  /** Undefined if there has never been an activation. */
  state: ActivationState | undefined;
  /** Store path of the running system. */
  systemPath: string;
  bootId: string;
}

/** Reads the host's state over a new connection. @returns undefined if no login is possible (yet) */
export async function readActivation(
  route: SshRoute,
  signal: AbortSignal,
  timeoutSeconds = 20,
): Promise<HostSnapshot | undefined> {
  const { systemPath, bootId } = questions;
  const run = (command: string) => ssh(route, command, { timeoutSeconds, signal });
  const seen = await askHost(run, {
    systemPath,
    bootId,
    state: `cat ${stateFile}`,
    systemKeys: `cat ${keysFile}`,
    release: `cat ${releaseFiles}`,
  });
  if (!seen) return undefined;
  return {
    systemPath: seen.systemPath,
    bootId: seen.bootId,
    state: parseState(seen.state),
    systemKeys: seen.systemKeys.split("\n").filter((line) => line !== ""),
    release: Math.max(
      0,
      ...seen.release
        .split("\n")
        .filter((line) => /^[0-9]{1,15}$/.test(line))
        .map(Number),
    ),
  };
}

export type Answer =
  | { kind: "taken"; state: ActivationState }
  | { kind: "early" }
  | { kind: "refused"; refusal: Refusal }
  | { kind: "no-answer" };

/** Sends an order on standard input, so that neither it nor the token in it appears on a command line. */
export async function giveOrder(
  route: SshRoute,
  order: string,
  signal: AbortSignal,
  timeoutSeconds = 30,
): Promise<Answer> {
  const input = Buffer.from(`${order}\n`);
  const { exitCode, stdout, stderr } = await ssh(route, activateCommand, { input, timeoutSeconds, signal });
  if (exitCode === 255) return { kind: "no-answer" };
  if (exitCode === 3) return { kind: "early" };
  const taken = exitCode === 0 ? parseState(stdout) : undefined;
  if (taken) return { kind: "taken", state: taken };
  return { kind: "refused", refusal: readRefusal(stderr, exitCode) };
}

/** Tells a missing command, or one that sudo forbids, from our command's own refusal. */
export function refusedOrder(host: string, refusal: Refusal): UserError {
  const { said, code = codeBeforeCodes(said), isMissing } = refusal;
  if (isMissing) {
    return new UserError({
      subject: host,
      problem: `its configuration has no clawdlets-activate, or does not let admin run it (${said}).`,
      fix: "Set clawdlets:rebuild.repository in its stack file (docs/day-two.md); apply that first change at the console, with rebuild-host from upstream's modules, or by clawdlets:reinstall.",
    });
  }
  if (code === "unknown-order") {
    return new UserError({
      subject: host,
      problem: "the system that it runs is too old for this change, and refused it. Nothing was changed.",
      fix: 'If clawdlets:rebuild.source is "send": rebuild once with clawdlets:rebuild.buildOn: "local", or once with source "fetch".',
    });
  }
  return new UserError({ subject: host, problem: refusedInWords(refusal) });
}

/** Systems without codes that do not know an order list those that they do know. */
const codeBeforeCodes = (said: string) => (said.startsWith("allowed: switch, ") ? "unknown-order" : undefined);

/** Whether the host could not fetch the commit: it fetches without credentials. */
export function isUnfetched({ code, why }: Pick<ActivationState, "code" | "why">): boolean {
  if (code !== undefined) return code === "unfetched" || code === "no-repository";
  return /^cannot fetch branch |^this host has no repository /.test(why); // A system without codes.
}

/**
 * Reads the one line of JSON that the host prints. Lines before it are from its shell, whose ~/.bashrc may print a greeting.
 * @returns undefined before the first activation
 */
export const parseState = (text: string): ActivationState | undefined =>
  state.safeParse(parseJson(text.trim().split("\n").at(-1) ?? "")).data;
