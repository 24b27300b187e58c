import { randomBytes } from "node:crypto";
import type { SshResult } from "./ssh.ts";

/** File with the id of the installation. */
export const installIdPath = "/var/lib/clawdlets/install-id";

/**
 * Runs several commands in one session on a host.
 * @param run runs one shell command there; 255 is ssh's own failure
 * @returns the trimmed output of each; undefined if no login is possible (yet)
 */
export async function askHost<Key extends string>(
  run: (command: string) => Promise<SshResult>,
  commands: Readonly<Record<Key, string>>,
): Promise<Record<Key, string> | undefined> {
  // Random: an answer, such as that of a bot's gateway, must not be able to hold it and pass for the next answer.
  const separator = `--clawdlets-${randomBytes(8).toString("hex")}--`;
  // It also goes first: what comes before it is what ~/.bashrc prints, which bash reads for commands over ssh, too.
  const { exitCode, stdout } = await run(
    Object.values(commands)
      .map((command) => `echo ${separator}; ${command}`)
      .join("; "),
  );
  if (exitCode === 255) return undefined;
  const [, ...answers] = stdout.split(separator).map((part) => part.trim());
  const keys = Object.keys(commands) as Key[];
  return Object.fromEntries(keys.map((key, index) => [key, answers[index] ?? ""])) as Record<Key, string>;
}

/** Facts that several commands need. The admin login is enough to read them. */
export const questions = {
  systemPath: "readlink -f /run/current-system",
  bootId: "cat /proc/sys/kernel/random/boot_id",
  installId: `cat ${installIdPath}`,
} as const;
