import { harmless } from "../../base/text/harmless.ts";
import { explainNix } from "../flake/explain-nix.ts";
import type { NixFailureKind } from "../flake/nix-failure.ts";

/** How a run of nixos-anywhere can fail; each kind has its own message. */
export type FailureKind =
  | NixFailureKind
  | "no-space"
  | "out-of-memory"
  | "no-such-disk"
  | "busy-disk"
  | "private-flake"
  | "closure-copy"
  | "too-many-authentications"
  | "host-key"
  | "kexec-failed"
  | "no-installer-again"
  | "no-ssh-key-upload"
  | "facts"
  | "old-nix"
  | "connection-lost"
  | "unknown-flag"
  | "no-reboot"
  | "deadline"
  | "nix-error"
  | "other";

/** What is known about a failed run. */
export interface Ending {
  /** Phases of nixos-anywhere: `kexec`, `disko,install`, `reboot`. */
  phase: string;
  exitCode: number | undefined;
  signal: string | undefined;
  /** Set if we ended it because the time limit of the phase, or of one milestone, had passed. */
  late: { milestone?: string; seconds: number } | undefined;
  /** The last lines of its output. */
  output: readonly string[];
  context: { host: string; address: string };
}

/** `message` says what failed, `advice` what to do next. Neither quotes output that could hold a secret. */
export interface Explanation {
  kind: FailureKind;
  message: string;
  advice: string;
}

/** Milestone in a line of nixos-anywhere: `### … ###`. Removes control characters, since a host could print such a line. */
export const milestoneOf = (line: string): string | undefined => {
  const name = /^### (.{1,80}) ###$/.exec(line.trim())?.[1];
  return name?.replace(/[\p{Cc}\p{Cf}]/gu, "�");
};

/**
 * Explains a failure by the output after the last milestone: everything before it succeeded. nixos-anywhere has no exit codes of
 * its own (mostly 1, else that of the failed command).
 */
export function explainFailure(ending: Ending): Explanation {
  const last = ending.output.findLastIndex((line) => milestoneOf(line) !== undefined);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: nix and disko print colours where they believe that a person reads
  const plain = (line: string) => line.replace(/\u001b\[[0-9;]*m/g, "");
  const since = ending.output
    .slice(last + 1)
    .map(plain)
    .filter((line) => !/^warning: .*retrying in/.test(line));
  const seen: Seen = {
    ...ending,
    milestone: last < 0 ? undefined : milestoneOf(ending.output[last] ?? ""),
    text: since.join("\n"),
    // If we ended it, the exit code (137, 143 or 255) says nothing about the reason.
    status: ending.late ? undefined : ending.exitCode,
    ...ending.context,
  };
  for (const rule of rules) {
    const found = typeof rule === "function" ? rule(seen) : explanationBy(rule, seen);
    if (found) return { ...found, message: `${seen.host}: ${found.message}` };
  }
  throw new Error("the last rule matches everything");
}

function explanationBy({ kind, found, say }: Rule, seen: Seen): Explanation | undefined {
  const match = found(seen);
  if (!match) return undefined;
  const [message, advice] = say(seen, match === true ? "" : (match[1] ?? ""));
  return { kind, message, advice };
}

interface Seen extends Ending {
  milestone: string | undefined;
  text: string;
  status: number | undefined;
  host: string;
  address: string;
}

interface Rule {
  kind: FailureKind;
  found: (seen: Seen) => RegExpExecArray | boolean | null;
  /** @param what first capture group of the match */
  say: (seen: Seen, what: string) => [message: string, advice: string];
}

const says = (words: RegExp) => (seen: Seen) => words.exec(seen.text);
const gitRefused =
  /Failed to fetch git repository|Git repository "[^"]*" does not exist|Could not read from remote repository|could not read Username/i;
const unresolved = /Could not resolve host(?:name)?:? [\w.]/;
/** Nixos-anywhere evaluates and builds on this machine before its first milestone, and between these. */
const nixRunsHere = (milestone: string | undefined) =>
  [undefined, "Uploading install SSH keys", "Gathering machine facts"].includes(milestone);
const lateAt = (milestone: string, seen: Seen) => seen.late?.milestone === milestone;

const nixOutput = "The installer's log has nix's error message: clawdlets logs.";
const again = "Then run clawdlets up again.";
const biggerServer = "Choose a bigger clawdlets:serverType, at least for the installation.";
const pinned =
  "Unset CLAWDLETS_NIXOS_ANYWHERE, and remove nixos-anywhere from PATH, so that nix runs the pinned revision (91fc9b7).";
// After disko there is no system on the disk, and the rescue system has a host key that we do not know.
const startOver =
  "Reset the server in its Hetzner console and run clawdlets up again. If it no longer boots, its disk has already been wiped: delete the server there, and up creates a new one.";

/** In order: rules that find the cause come before rules that only find the place. */
const rules: readonly (Rule | ((seen: Seen) => Explanation | undefined))[] = [
  {
    kind: "host-key",
    // Excludes the host key of a git server, which nix contacts in between.
    found: ({ text, milestone }) =>
      milestone !== undefined &&
      /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/.test(text) &&
      !gitRefused.test(text),
    say: ({ address }) => [
      `${address} has a different host key than the one created for it, so nothing was sent.`,
      "This may be a man-in-the-middle attack, or something else set up the server: compare the key with its Hetzner console. To start over, delete the server there and run clawdlets up again.",
    ],
  },
  {
    kind: "too-many-authentications",
    found: says(/Too many authentication failures/),
    say: () => [
      "ssh was refused: it offered more keys than the server accepts.",
      `Empty your ssh-agent (ssh-add -D) or unset SSH_AUTH_SOCK, and remove other keys named id_* from ~/.ssh. ${again}`,
    ],
  },
  {
    kind: "no-space",
    found: says(/No space left on device|ENOSPC|disk (?:is )?full|not enough (?:free )?(?:disk )?space/i),
    say: noSpace,
  },
  {
    kind: "out-of-memory",
    found: ({ status, signal, late, text }) =>
      status === 137 ||
      (signal === "SIGKILL" && !late) ||
      /^(?:.*\s)?Killed(?:\s{2,}.*)?$|out of memory|oom-kill|cannot allocate memory|std::bad_alloc|free area of memory/im.test(
        text,
      ),
    say: ({ signal, milestone, text }) =>
      signal === "SIGKILL" || milestone === undefined || (nixRunsHere(milestone) && /^error: out of memory/m.test(text))
        ? [
            "nixos-anywhere, or one of its builds, was killed on this machine; the usual reason is that memory ran out.",
            `Free some memory here, or have the server build (buildOn "remote"). ${again}`,
          ]
        : [
            `the server's memory ran out at "${milestone}", or a process was killed there.`,
            `${biggerServer} Building here (buildOn "local") also helps. The server's console shows the kernel's message.`,
          ],
  },
  {
    kind: "no-such-disk",
    // Messages of sgdisk, blockdev, wipefs, lsblk; the last two forms are guessed.
    found: says(
      /Problem opening (\/dev\/[\w./:+-]{1,100}) for reading|(?:cannot open|error:|stat:?|device) '?(\/dev\/[\w./:+-]{1,100}?)'?: (?:.*: )?(?:No such file or directory|not a block device)/,
    ),
    say: ({ text }) => [
      `the server has no disk ${/\/dev\/[\w./+-]{1,100}/.exec(text)?.[0] ?? "of that name"}, which disko was going to format.`,
      "Set disko.devices.disk.<name>.device in the flake to the server's disk (Hetzner Cloud: /dev/sda; lsblk in its console shows it), commit, and run clawdlets up again.",
    ],
  },
  {
    kind: "busy-disk",
    found: says(/target is busy|Device or resource busy|is (?:apparently|currently) in use|disk is in use/i),
    say: () => ["the disk is in use: most likely /mnt is still mounted from an interrupted run.", startOver],
  },
  {
    kind: "old-nix",
    found: says(/'config' is not a recognised command/),
    say: () => [
      "the nix on this machine is older than 2.16, which nixos-anywhere needs.",
      `Install a newer one (https://nixos.org/download), and set NIX_BIN in .clawdlets/.env to its path unless it is first on PATH. ${again}`,
    ],
  },
  {
    kind: "private-flake",
    found: ({ text }) =>
      (gitRefused.test(text) && !unresolved.test(text)) ||
      /Bad credentials|(?:api\.github\.com|github\.com|codeload)\S*: HTTP error 40[134]|API rate limit exceeded/i.test(
        text,
      ),
    say: ({ text }) =>
      /Bad credentials|HTTP error 401/.test(text)
        ? [
            "GitHub refused the token for fetching the flake.",
            `It has expired, or lacks permission to read contents: put a new GITHUB_TOKEN in .clawdlets/.env. ${again}`,
          ]
        : [
            "the flake, or one of its inputs, could not be fetched: it is private or does not exist.",
            `If it is private, put a GITHUB_TOKEN that may read it in .clawdlets/.env; otherwise fix clawdlets:flake, and push the commit. ${again}`,
          ],
  },
  {
    kind: "unknown-flag",
    // nixos-anywhere takes an unknown option for the host name, and prints its usage to standard output.
    found: says(
      /Could not resolve hostname -|aborted: unknown (?:option|phase)|^Usage: nixos-anywhere|unrecogni[sz]ed (?:flag|option)/im,
    ),
    say: () => [
      "this nixos-anywhere does not know one of the options it was given: it is a different version than the pinned one.",
      `${pinned} ${again}`,
    ],
  },
  {
    kind: "kexec-failed",
    found: says(/Failed to kexec into NixOS installer/),
    say: () => [
      "after kexec the server runs Debian, not the installer.",
      `This happens occasionally (nixos-images#342), so run clawdlets up again; if it happens a second time, ${lower(biggerServer)}`,
    ],
  },
  {
    kind: "kexec-failed",
    found: ({ text, milestone, late, status }) =>
      /Kexec(?:.*)? failed$/im.test(text) || (milestone === "Switching system into kexec" && !late && status !== 255),
    say: () => [
      "kexec did not start the installer; the server still runs Debian.",
      "Can it reach github.com, to download the installer? Nothing was erased: run clawdlets up again.",
    ],
  },
  {
    kind: "no-installer-again",
    found: (seen) => lateAt("Switching system into kexec", seen),
    say: ({ address, late }) => [
      `the installer did not answer at ${address} within ${late?.seconds} s after kexec.`,
      "Check the server's console. Nothing was erased: reset it there, which boots Debian, and run clawdlets up again. If that does not help, the rescue system shows more.",
    ],
  },
  {
    kind: "no-ssh-key-upload",
    found: (seen) => lateAt("Uploading install SSH keys", seen),
    say: ({ address, late }) => [
      `the ssh key for the installation could not be copied to ${address} within ${late?.seconds} s.`,
      "nixos-anywhere would retry forever. Is the server reachable? Are root's authorized_keys there writable, and ~/.ssh here? Check its console, then run clawdlets up again.",
    ],
  },
  {
    kind: "facts",
    found: says(/Failed to retrieve fact (\w{1,40})/),
    say: (_seen, name) => [
      `the server did not report "${name}", one of the facts that nixos-anywhere needs.`,
      startOver,
    ],
  },
  {
    kind: "facts",
    found: says(/aborted: (?:no (\w{1,20}) command|no \w+ command respecting|This script requires Linux)/),
    say: (_seen, name) => [
      `the server's system cannot be replaced by kexec${name === "" ? "" : `: it has no ${name}`}.`,
      "Install on Debian (clawdlets:image: debian-12): delete the server in its Hetzner console and run clawdlets up again.",
    ],
  },
  ({ text }) => explainNix(text, nixOutput),
  {
    kind: "closure-copy",
    found: ({ milestone, late, text }) =>
      (milestone === "Uploading the system closure" && !late) ||
      /failed to start SSH connection|error: cannot connect to 'root@|lacks a (?:valid )?signature|unexpected end-of-file/i.test(
        text,
      ),
    say: () => [
      "the connection broke, or the server refused the copy, while the system was being copied.",
      `The disk is half written. Check the server's console. For a big system, have the server build it (buildOn "remote"). ${startOver}`,
    ],
  },
  {
    kind: "facts",
    found: (seen) =>
      lateAt("Gathering machine facts", seen) ||
      /Retrieving host facts via SSH failed/.test(seen.text) ||
      (seen.milestone === "Gathering machine facts" && seen.text.trim() === "" && seen.status === 1),
    say: ({ address, late }) => [
      late
        ? `the facts of ${address} were not collected, or the flake's substituters not read, within ${late.seconds} s.`
        : `${address} did not answer when nixos-anywhere asked for its facts.`,
      "Check the server's console, then run clawdlets up again.",
    ],
  },
  {
    kind: "connection-lost",
    found: ({ status, text, late }) =>
      status === 255 ||
      (!late && /client_loop: send disconnect|^ssh: connect to host .* timed out|^Timeout, server /im.test(text)),
    say: ({ address, milestone }) => [
      `the ssh connection to ${address} was lost${milestone === undefined ? "" : ` at "${milestone}"`}.`,
      `Check the server's console, and that your own address has not changed. ${startOver}`,
    ],
  },
  {
    kind: "no-reboot",
    found: ({ late }) => late?.milestone !== undefined && /^Rebooting$|unreachable/.test(late.milestone),
    say: ({ late }) => [
      `the server did not start its reboot within ${late?.seconds} s. NixOS is installed on its disk.`,
      "Reset it in its Hetzner console, and run clawdlets up again, which does not change a host that runs NixOS.",
    ],
  },
  {
    kind: "deadline",
    found: ({ late }) => late !== undefined,
    say: ({ late, phase, milestone }) => [
      `nixos-anywhere's phase "${phase}" did not finish within ${late?.seconds} s; it was at ${milestone === undefined ? "building, before its first milestone" : `"${milestone}"`}.`,
      `Check the server's console. ${startOver}`,
    ],
  },
  {
    kind: "nix-error",
    found: ({ text, milestone, late }) => !late && nixRunsHere(milestone) && /^error:/m.test(text),
    say: ({ output }) => {
      const line = harmlessLastLine(output);
      return [`nix failed on this machine${line === undefined ? "" : `: "${line}"`}.`, `${nixOutput} ${again}`];
    },
  },
  { kind: "other", found: () => true, say: unknown },
];

function noSpace({ milestone, phase }: Seen): [string, string] {
  if (milestone === undefined) {
    return [
      "this machine has no space left for the build; nothing was sent.",
      `Free some space in /nix and in $TMPDIR. ${again}`,
    ];
  }
  if (phase === "kexec") {
    return [
      `the server has no space left at "${milestone}", before the installer started.`,
      `${biggerServer} ${again}`,
    ];
  }
  return [
    `the server has no space left at "${milestone}": the installer's store is a tmpfs with half the server's RAM.`,
    `${biggerServer} Or set buildOn to "local", so that the server builds nothing. ${startOver}`,
  ];
}

function unknown({ phase, exitCode, signal, milestone, output }: Seen): [string, string] {
  const line = harmlessLastLine(output);
  const how = exitCode === undefined ? (signal ?? "no status") : `exit status ${exitCode}`;
  const where = milestone === undefined ? "before its first milestone" : `at "${milestone}"`;
  return [
    `nixos-anywhere's phase "${phase}" ended with ${how} ${where}${line === undefined ? "" : `; its last line: "${line}"`}.`,
    `Read its output and check the server's console. ${startOver}`,
  ];
}

/** Programs whose error lines we quote. Excludes nix's log lines and build output, which may hold secrets. */
const complaint =
  /^(?:error|aborted|ssh|scp|kex_exchange_identification|umount|mount|sgdisk|wipefs|mkfs[.\w]*|nixos-install|disko|tar): /;

/** The last line, shortened, if it is an error line of a known program and does not look like a secret; else undefined. */
export function harmlessLastLine(output: readonly string[]): string | undefined {
  const line = harmless(output.findLast((text) => text.trim() !== "") ?? "");
  return line !== undefined && complaint.test(line) ? line : undefined;
}

const lower = (sentence: string) => sentence.charAt(0).toLowerCase() + sentence.slice(1);
