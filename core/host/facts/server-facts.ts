import { type ActivationState, lookAtActivation } from "../activation/orders.ts";
import type { SshRoute } from "../reach/ssh.ts";

type Run = (command: string) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

export interface ServerFacts {
  /** Store path that runs now, and the one that a boot would take. */
  systemPath: string;
  nextSystem: string;
  bootId: string;
  installId: string;
  /** systemd's word on the whole: `running`, `degraded`, … */
  state: string;
  /** Units that failed. */
  failed: string[];
  /** By bot: what systemd says, e.g. `active`. */
  bots: Record<string, string>;
  activation: ActivationState | null;
}

const separator = "--clawdlets--";

/** Reads what a host says of itself with no more than the admin's login. */
export async function readFacts(
  { route, run, signal }: { route: SshRoute; run: Run; signal: AbortSignal },
  bots: readonly string[],
): Promise<ServerFacts> {
  const questions = [
    "readlink -f /run/current-system",
    "readlink -f /nix/var/nix/profiles/system",
    "cat /proc/sys/kernel/random/boot_id",
    "cat /var/lib/clawdlets/install-id",
    "systemctl is-system-running",
    "systemctl list-units --failed --plain --no-legend",
    ...bots.map((bot) => `systemctl is-active clawdbot-${bot}.service`),
  ];
  const { stdout } = await run(questions.join(`; echo ${separator}; `));
  const answers = stdout.split(separator).map((part) => part.trim());
  const [systemPath = "", nextSystem = "", bootId = "", installId = "", state = "", failed = "", ...active] = answers;
  return {
    systemPath,
    nextSystem,
    bootId,
    installId,
    state,
    failed: failed.split("\n").flatMap((line) => line.split(/\s+/)[0] || []),
    bots: Object.fromEntries(bots.map((bot, index) => [bot, active[index] ?? "unknown"])),
    activation: (await lookAtActivation(route, signal))?.state ?? null,
  };
}
