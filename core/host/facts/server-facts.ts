import { safeText } from "../../base/wording.ts";
import { type ActivationState, readActivation } from "../activation/orders.ts";
import { askHost, questions } from "../reach/ask.ts";
import type { SshRoute } from "../reach/ssh.ts";
import { parseRekey, rekeyPhase, rekeyQuestion } from "../tailnet/rekey-orders.ts";

type Run = (command: string) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

export interface ServerFacts {
  /** Store path of the running system, and of the one that the next boot starts. */
  systemPath: string;
  nextSystem: string;
  bootId: string;
  installId: string;
  /** System state reported by systemd: `running`, `degraded`, … */
  state: string;
  /** Units that failed. */
  failed: string[];
  /** Unit state by bot, e.g. `active`. */
  bots: Record<string, string>;
  /** Result of the last run of clawdlets-tailnet.service: `joined`, or `not joined: …`; empty if the host has no such unit. */
  tailnet: string;
  /** What a change of the host's device in the tailnet waits for; null if none is under way. */
  rekey: string | null;
  activation: ActivationState | null;
}

type Asked = keyof typeof questions | "nextSystem" | "state" | "failed" | "tailnet" | "rekey" | `bot ${string}`;

/** Reads a host's facts; the admin login is enough. @throws when `run` returns ssh's own failure */
export async function readFacts(
  { route, run, signal }: { route: SshRoute; run: Run; signal: AbortSignal },
  bots: readonly string[],
): Promise<ServerFacts> {
  const seen = await askHost<Asked>(run, {
    ...questions,
    nextSystem: "readlink -f /nix/var/nix/profiles/system",
    state: "systemctl is-system-running",
    tailnet: "cat /run/clawdlets-tailnet/state",
    rekey: rekeyQuestion,
    failed: "systemctl list-units --failed --plain --no-legend",
    ...Object.fromEntries(bots.map((bot) => [`bot ${bot}`, `systemctl is-active clawdbot-${bot}.service`])),
  });
  if (!seen) throw new Error("no session on the host");
  return {
    systemPath: seen.systemPath,
    nextSystem: seen.nextSystem,
    bootId: seen.bootId,
    installId: seen.installId,
    state: seen.state,
    failed: seen.failed.split("\n").flatMap((line) => line.split(/\s+/)[0] || []),
    bots: Object.fromEntries(bots.map((bot) => [bot, seen[`bot ${bot}`] || "unknown"])),
    tailnet: safeText(seen.tailnet),
    rekey: rekeyPhase(parseRekey(seen.rekey)) ?? null,
    activation: (await readActivation(route, signal))?.state ?? null,
  };
}
