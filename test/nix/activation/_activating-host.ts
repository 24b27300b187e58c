import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { execa } from "execa";
import type { State } from "../../../emulator/machine/system/switch-state.ts";

export type { State };

/** A host that accepts activation orders: the real script in a folder, or an emulated machine. Time runs 20 times faster. */
export interface ActivatingHost {
  /** @param text all of standard input */
  order(text: string, ...args: string[]): Promise<Answer>;
  state(): State;
  /** The running system, and the one that the next boot starts. */
  running(): string;
  chosen(): string;
  /** A commit whose system has these traits. @param on `main`, `other`, or `fork`, which no branch has */
  commit(traits?: readonly Trait[], on?: "main" | "other" | "fork"): Promise<string>;
  /** Removes the branch's last commits, like a force push. */
  forget(commits: number): Promise<void>;
  readonly repository: string;
  secret(): string;
  changeSecret(text: string): void;
  changeIdentity(): void;
  /** True if the former secrets are kept for a rollback. */
  keepsSecrets(): boolean;
  /** Skips ahead past the deadline, and waits until the watchdog has run. */
  letTimePass(): Promise<void>;
  /** True if it has started to reboot on its own. */
  isRebooting(): boolean;
  /** A power cut and a new boot. */
  reboot(): Promise<void>;
  bootId(): string;
  /** Public keys that the running system and all later ones trust. */
  trust(keys: readonly string[]): void;
  /** What root does at the console. */
  allowDowngrade(): void;
  /** Number of the last release that was kept, if any. */
  lastRelease(): string | undefined;
}

/** How a system fails: does not build, cannot roll back, is not selected for the boot, fails or hangs in the switch, … */
export type Trait = "build" | "blind" | "boot" | "switch" | "hang" | "health" | "kernel" | "haste";

export interface Answer {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export const refusal = (code: string, why: string): Answer => ({
  exitCode: 1,
  stdout: "",
  stderr: `clawdlets-activate: code ${code}\nclawdlets-activate: refused, nothing changed: ${why}`,
});

export const token = "ab".repeat(32);
export const tokenSum = createHash("sha256").update(token).digest("hex");

/** A key that signs systems, by node alone: what signs in the sources is held to this and to the real nix elsewhere. */
export function signingKey(name: string) {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { x = "" } = privateKey.export({ format: "jwk" });
  return {
    publicKey: `${name}:${Buffer.from(x, "base64url").toString("base64")}`,
    /** The end of an order: release and signature. */
    release: (what: string, number: number, host = "web-1") => {
      const signature = sign(null, Buffer.from(`clawdlets-release;1;${host};${number};${what}`), privateKey);
      return `${number} ${name}:${signature.toString("base64")}`;
    },
  };
}

const identity = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b" };

/** Runs git in a folder, with a dummy identity. @returns its output */
export async function git(folder: string, ...args: string[]): Promise<string> {
  return (await execa("git", ["-C", folder, ...args], { env: identity })).stdout;
}

/** Commits everything in a folder, on a branch or, like a fork's commit at GitHub, on none. @returns the commit's id */
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
