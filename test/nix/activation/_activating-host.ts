import { createHash } from "node:crypto";
import { execa } from "execa";
import type { State } from "../../../emulator/machine/system/switch-state.ts";

export type { State };

/** A host that takes orders for activations: the real script in a folder, or an emulated machine. Its seconds last a twentieth. */
export interface ActivatingHost {
  /** @param text the whole of standard input */
  order(text: string, ...args: string[]): Promise<Answer>;
  state(): State;
  /** System that runs, and the one that the next boot takes. */
  running(): string;
  chosen(): string;
  /** A commit whose system has these traits. @param on `main`, `other`, or `fork`, which no branch has */
  commit(traits?: readonly Trait[], on?: "main" | "other" | "fork"): Promise<string>;
  /** Takes the last commits of the branch away, as a push that rewrites history does. */
  forget(commits: number): Promise<void>;
  readonly repository: string;
  secret(): string;
  changeSecret(text: string): void;
  changeIdentity(): void;
  /** Whether secrets are kept for going back. */
  keepsSecrets(): boolean;
  /** As if the deadline's time had passed; what looks after it then has looked. */
  letTimePass(): Promise<void>;
  /** Whether it has begun to reboot by itself. */
  isRebooting(): boolean;
  /** Power is lost, and comes back: nothing runs any more but what boots. */
  reboot(): Promise<void>;
  bootId(): string;
}

/** What a system does: not build, lack the way back, not be chosen for the boot, fail or hang in the switch, be unhealthy … */
export type Trait = "build" | "blind" | "boot" | "switch" | "hang" | "health" | "kernel" | "haste";

export interface Answer {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export const refusal = (why: string): Answer => ({
  exitCode: 1,
  stdout: "",
  stderr: `clawdlets-activate: refused, nothing changed: ${why}`,
});

export const token = "ab".repeat(32);
export const tokenSum = createHash("sha256").update(token).digest("hex");

const identity = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b" };

/** Git in a folder, as somebody. @returns what it printed */
export async function git(folder: string, ...args: string[]): Promise<string> {
  return (await execa("git", ["-C", folder, ...args], { env: identity })).stdout;
}

/** A commit of all that is in a folder, on a branch or, as GitHub keeps those of forks, on none. @returns its id */
export async function commitTo(folder: string, on: "main" | "other" | "fork", change: () => void): Promise<string> {
  if (on === "other") await git(folder, "checkout", "--quiet", "-B", "other");
  if (on === "fork") await git(folder, "checkout", "--quiet", "--detach");
  change();
  await git(folder, "add", "--all");
  await git(folder, "commit", "--quiet", "--allow-empty", "--message", "a change");
  const rev = await git(folder, "rev-parse", "HEAD");
  if (on !== "main") await git(folder, "checkout", "--quiet", "main");
  return rev;
}
