import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { parseJson } from "../../base/text/json.ts";
import { askHost, questions } from "../reach/ask.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";

/** What the NixOS module puts on the host (nix/host/activate.sh); its whole command line, so that sudo can allow just this. */
export const activateCommand = "sudo -n /run/current-system/sw/bin/clawdlets-activate";

const stateFile = "/var/lib/clawdlets/activation/state.json";

const state = z.object({
  id: z.string(),
  phase: z.enum(["prepared", "building", "switching", "checking", "rebooting", "waiting", "returning", "done"]),
  result: z.enum(["", "switched", "returned"]),
  /** Commit that is switched to; `newest` while it is not known yet. */
  rev: z.string(),
  /** Store path of the system from before. */
  from: z.string(),
  /** Store path of the wanted system, once it is built. */
  to: z.string(),
  /** Boot on which it waited, or ended. */
  bootId: z.string(),
  why: z.string(),
});

/** How far the host is with its last activation. */
export type ActivationState = z.infer<typeof state>;

/** What one connection saw. */
export interface Sight {
  /** Undefined where no activation was ever begun. */
  state: ActivationState | undefined;
  /** Store path that the host runs now. */
  systemPath: string;
  bootId: string;
}

/** Looks at the host over a connection of its own. @returns undefined when no login is possible (yet) */
export async function lookAtActivation(
  route: SshRoute,
  signal: AbortSignal,
  timeoutSeconds = 20,
): Promise<Sight | undefined> {
  const { systemPath, bootId } = questions;
  const run = (command: string) => ssh(route, command, { timeoutSeconds, signal });
  const seen = await askHost(run, { systemPath, bootId, state: `cat ${stateFile}` });
  return seen && { ...seen, state: parseState(seen.state) };
}

export type Answer =
  | { kind: "taken"; state: ActivationState }
  | { kind: "early" }
  | { kind: "refused"; said: string }
  | { kind: "no-answer" };

/** Gives the host an order, on standard input: neither it nor a token in it stands on a command line. */
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
  return { kind: "refused", said: stderr.trim().split("\n").at(-1) || `exit code ${exitCode}` };
}

/** A host that knows no such command, or does not let admin run it, says so in other words than our own. */
export function refusedOrder(host: string, said: string): UserError {
  if (/command not found|password is required|not allowed|No such file/.test(said)) {
    return new UserError({
      subject: host,
      problem: `its configuration has no clawdlets-activate, or does not let admin run it (${said}).`,
      fix: "Set clawdlets.operator.rebuild.enable and .flakeBase in its NixOS configuration (docs/day-two.md); the first time it is brought there at the console, by the rebuild-host of upstream's modules, or by clawdlets:reinstall.",
    });
  }
  return new UserError({ subject: host, problem: `the host refused, and changed nothing: ${said}` });
}

/** @returns undefined before the first activation */
const parseState = (text: string): ActivationState | undefined => state.safeParse(parseJson(text)).data;
