import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { parseJson } from "../../base/text/json.ts";
import { safeText } from "../../base/wording.ts";
import { type Refusal, readRefusal, refusedInWords } from "../reach/refusal.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";

/** Command installed by the NixOS module (nix/host/rekey.sh). It takes no arguments, so sudo can allow exactly this line. */
export const rekeyCommand = "sudo -n /run/current-system/sw/bin/clawdlets-rekey";

/** Prints the state of the host's last rekey, which everyone may read; nothing if there was none. */
export const rekeyQuestion = "cat /var/lib/clawdlets/rekey/state.json 2>/dev/null";

const state = z.object({
  id: z.string(),
  phase: z.enum(["accepted", "replacing", "joining", "waiting", "returning", "done"]),
  result: z.enum(["", "rekeyed", "returned"]),
  /** When it rolls back unless it is confirmed, in seconds since 1970 by the host's clock. */
  deadline: z.string().regex(/^[0-9]{1,11}$/),
  /** Node key of the old device; empty if the host had none. */
  from: z.string(),
  /** Node key of the new device, once it has joined. */
  to: z.string(),
  why: z.string(),
});

/** How far the host's last rekey is. */
export type RekeyState = z.infer<typeof state>;

/** @returns undefined for a host that had none, and for anything else than its state */
export const parseRekey = (text: string): RekeyState | undefined => state.safeParse(parseJson(text)).data;

/** What a rekey that is not over waits for, in words; undefined if there is none. */
export function rekeyPhase(rekey: RekeyState | undefined): string | undefined {
  if (!rekey || rekey.phase === "done") return undefined;
  const at = `${new Date(Number(rekey.deadline) * 1000).toISOString().slice(11, 16)} UTC`;
  if (rekey.phase === "returning") return `the host is rolling back to its old device: ${safeText(rekey.why)}`;
  const phases = {
    accepted: "is about to begin",
    replacing: "is replacing its device",
    joining: "is joining as a new device",
    waiting: "is a new device, which is not confirmed yet",
  };
  return `the host ${phases[rekey.phase]}; unless it is confirmed, it rolls back to its old one at ${at}`;
}

export type RekeyAnswer =
  | { kind: "taken"; state: RekeyState }
  | { kind: "early" | "no-answer" }
  | { kind: "refused"; refusal: Refusal };

/** Sends an order on standard input, so that the key in it is on no command line. */
export async function orderRekey(
  route: SshRoute,
  order: string,
  signal: AbortSignal,
  timeoutSeconds = 30,
): Promise<RekeyAnswer> {
  const input = Buffer.from(order);
  const { exitCode, stdout, stderr } = await ssh(route, rekeyCommand, { input, timeoutSeconds, signal });
  if (exitCode === 255) return { kind: "no-answer" };
  if (exitCode === 3) return { kind: "early" };
  const taken = exitCode === 0 ? parseRekey(stdout) : undefined;
  if (taken) return { kind: "taken", state: taken };
  return { kind: "refused", refusal: readRefusal(stderr, exitCode) };
}

/** Tells a missing command, or one that sudo forbids, from our command's own refusal. */
export function refusedRekey(host: string, refusal: Refusal): UserError {
  const { code, isMissing } = refusal;
  if (isMissing) {
    const problem = "its system does not allow rekey. Nothing was changed.";
    const fix = `Set clawdlets.tailnet.tailscale.rekey = true in hosts/${host}.nix, then run: clawdlets rebuild --host ${host}`;
    return new UserError({ subject: host, problem, fix });
  }
  const fix = code === "busy" ? "Run the same command again when that has ended." : undefined;
  const problem = refusedInWords(refusal).replace(/\.?$/, ".");
  return new UserError({ subject: host, problem, ...(fix !== undefined && { fix }) });
}
