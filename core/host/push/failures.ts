import type { Objection, Problem } from "../../base/problem.ts";
import { safeText } from "../../base/wording.ts";
import { hasOtherKey, type SshResult } from "../reach/ssh.ts";
import { lastWords, type NixFailed } from "./nix.ts";

const again = "Run the same command again; it continues with what is missing.";
const unchanged = "Nothing was changed on the host.";

/** What was under way between this machine and the builder. */
export type BuilderStep = "send" | "build" | "fetch";

/**
 * Why a builder cannot be used, by the answer to `nix-daemon --version`.
 * @param place the builder's URL
 * @returns undefined if it has nix
 */
export function unusableBuilder(place: string, { exitCode, stderr }: SshResult): Objection | undefined {
  if (exitCode === 0) return undefined;
  if (exitCode === 255 && hasOtherKey(stderr)) {
    return {
      code: "builder-key",
      problem: `${place} has a different ssh host key than clawdlets:rebuild.builderKey. ${unchanged}`,
      fix: "Someone may be intercepting the connection. Compare with the key on the builder's console (/etc/ssh/ssh_host_ed25519_key.pub) before you change the setting.",
    };
  }
  if (exitCode === 255 && /Permission denied/.test(stderr)) {
    return {
      code: "builder-unreachable",
      problem: `${place} refuses your ssh key. ${unchanged}`,
      fix: "Add your public key to ~/.ssh/authorized_keys there, or name another user: ssh://USER@HOST.",
    };
  }
  if (exitCode === 255) {
    return {
      code: "builder-unreachable",
      problem: `cannot reach ${place}: ${saidLast(stderr, "ssh timed out")}. ${unchanged}`,
      fix: `Check that it is running and that this machine reaches its ssh port, or build elsewhere: clawdlets:rebuild.buildOn: "local".`,
    };
  }
  const isMissing = exitCode === 127 || /not found|No such file/.test(stderr);
  return {
    code: "builder-unsuitable",
    problem: `${isMissing ? `${place} has no nix-daemon on the PATH of an ssh command` : `nix-daemon does not run on ${place}: ${saidLast(stderr, `exit status ${exitCode}`)}`}. ${unchanged}`,
    fix: "Install nix there (https://nixos.org/download), and make sure that `ssh HOST nix-daemon --version` works.",
  };
}

interface Failure {
  code: Objection["code"];
  found: RegExp;
  say(place: string, match: RegExpExecArray, step: BuilderStep): [problem: string, fix: string];
}

const diskFull = /No space left on device|database or disk is full|Disk quota exceeded/;
const contactLost =
  /unexpected end-of-file|disconnected unexpectedly|Broken pipe|Connection (?:reset|closed|to \S+ closed|timed out)|client_loop|failed to start SSH connection|not responding|lost connection/i;

/** In order: a full disk also ends connections. As nix 2.8 and OpenSSH 9.2 said it; of 2.26 and 2.34, what test/fixtures/nix has. */
const failures: readonly Failure[] = [
  {
    code: "disk-full",
    found: diskFull,
    say: (place, _, step) =>
      step === "fetch"
        ? ["this machine's disk is too full for the system.", "Free some space here (nix-collect-garbage)."]
        : [`the disk of ${place} is full.`, "Free some space there (nix-collect-garbage)."],
  },
  {
    code: "builder-unsuitable",
    found:
      /a '([\w, -]{1,80})' with features \{([\w, -]{0,80})\} is required|Required (?:system|features): ['{]([\w, -]{1,80})['}]/,
    say: (place, [, system, features, required]) => [
      `${place} cannot build for ${system ?? required ?? "this system"}${features ? ` with ${features}` : ""}.`,
      "Name a builder that can (on it, `nix show-config` lists system and extra-platforms).",
    ],
  },
  {
    code: "builder-failed",
    found: contactLost,
    say: (place) => [`lost contact with ${place}.`, again],
  },
];

/** What went wrong on the builder, or on the way to or from it. */
export function builderFailure(
  place: string,
  step: BuilderStep,
  { stderr, limit }: { stderr: string /** Seconds, if they ran out. */; limit?: number | undefined },
): Objection {
  const doing = {
    send: `${place} could not be sent what to build`,
    build: `the build on ${place} failed`,
    fetch: `the system could not be copied from ${place}`,
  }[step];
  if (limit !== undefined) {
    return { code: "builder-failed", problem: `${doing}: it took more than ${limit} s. ${unchanged}`, fix: again };
  }
  for (const { code, found, say } of failures) {
    const match = found.exec(stderr);
    if (!match) continue;
    const [problem, fix] = say(place, match, step);
    return { code, problem: `${doing}: ${problem} ${unchanged}`, fix };
  }
  return {
    code: "builder-failed",
    problem: `${doing}: ${lastWords(stderr)}. ${unchanged}`,
    fix:
      step === "fetch"
        ? "Does the nix daemon of this machine trust you (trusted-users)?"
        : "Fix it, then run the same command again.",
  };
}

/** What sudo and shells say before nix notices that the other end is gone. */
const receiverMissing =
  /(?:sudo|clawdlets-receive-system): (?:command )?not found|command not found|a password is required|not allowed to execute|(?:exec|setpriv|nix-daemon): .*(?:not found|No such file)/;

/** Why a system or its source did not reach its host. Paths that arrived stay there until the host's next garbage collection. */
export function hostCopyFailure(host: string, name: string, { stderr, limit }: NixFailed): Omit<Problem, "subject"> {
  const failed = `${name} could not be copied to the host`;
  const problemOf = (code: Problem["code"], why: string, fix: string) => ({
    code,
    problem: `${failed}: ${why}. Nothing was changed.`,
    fix,
  });
  if (limit !== undefined) return problemOf("failed", `it took more than ${limit} s`, again);
  if (diskFull.test(stderr)) {
    const fix = `Delete old generations at the console (sudo nix-collect-garbage --delete-older-than 7d). ${again}`;
    return problemOf("disk-full", "its disk is full", fix);
  }
  if (/lacks a (?:valid )?signature|is not signed by/.test(stderr)) {
    const fix = `Compare clawdlets:systemKeys with /etc/clawdlets/system-keys on ${host}.`;
    return problemOf("failed", "it refuses the signature (lacks a valid signature)", fix);
  }
  // Before the lost contact, which is what nix makes of it.
  const missing = stderr.split(/\r?\n/).find((line) => receiverMissing.test(line));
  if (missing !== undefined) {
    const fix =
      'Its system has no clawdlets-receive-system, or does not let admin run it. Rebuild once with clawdlets:rebuild.buildOn: "host" and source "fetch", or check that hosts/*.nix does not turn off clawdlets.operator.rebuild.';
    return problemOf("receiver-missing", `the host cannot take it (${safeText(missing.trim(), 200)})`, fix);
  }
  if (contactLost.test(stderr)) return problemOf("failed", "lost contact", again);
  return problemOf("failed", lastWords(stderr), again);
}

function saidLast(stderr: string, otherwise: string): string {
  const line = stderr.trim().split("\n").at(-1)?.trim() ?? "";
  return line === "" ? otherwise : safeText(line.replace(/\.$/, ""), 200);
}
