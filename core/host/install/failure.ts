import { type NixFailureKind, nixFailures } from "../flake/nix-failure.ts";

/** How a run of nixos-anywhere can end badly, each with its own words. */
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
  | "other";

/** What is known of a run that ended badly. */
export interface Ending {
  /** Of nixos-anywhere: `kexec`, `disko,install`, `reboot`. */
  phase: string;
  exitCode: number | undefined;
  signal: string | undefined;
  /** Set when we ended it: its time was up, the whole phase's or that of one milestone. */
  late: { milestone?: string; seconds: number } | undefined;
  /** The end of its output, in lines. */
  output: readonly string[];
  context: { host: string; address: string };
}

/** `message` says what failed or was waited for, `advice` what to do next; neither quotes more than is known to be harmless. */
export interface Explanation {
  kind: FailureKind;
  message: string;
  advice: string;
}

/** Name of the milestone in a line of nixos-anywhere's: `### … ###`. What a host prints comes the same way: no control characters. */
export const milestoneOf = (line: string): string | undefined => {
  const name = /^### (.{1,80}) ###$/.exec(line.trim())?.[1];
  return name?.replace(/[\p{Cc}\p{Cf}]/gu, "�");
};

/**
 * nixos-anywhere has no exit codes of its own (1 for most, else that of the command that failed), so its words decide: those
 * since its last milestone, since earlier ones are of what went well.
 */
export function explainFailure(ending: Ending): Explanation {
  const last = ending.output.findLastIndex((line) => milestoneOf(line) !== undefined);
  const since = ending.output.slice(last + 1).filter((line) => !/^warning: .*retrying in/.test(line));
  const seen: Seen = {
    ...ending,
    milestone: last < 0 ? undefined : milestoneOf(ending.output[last] ?? ""),
    text: since.join("\n"),
    // One that we ended says 137, 143 or 255 whatever the reason was.
    status: ending.late ? undefined : ending.exitCode,
    ...ending.context,
  };
  for (const { kind, found, say } of rules) {
    const match = found(seen);
    if (!match) continue;
    const [message, advice] = say(seen, match === true ? "" : (match[1] ?? ""));
    return { kind, message: `${seen.host}: ${message}`, advice };
  }
  throw new Error("the last rule finds everything");
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
  /** @param what first group of what was found */
  say: (seen: Seen, what: string) => [message: string, advice: string];
}

const says = (words: RegExp) => (seen: Seen) => words.exec(seen.text);
const gitRefused = /Failed to fetch git repository|Could not read from remote repository|could not read Username/i;
const lateAt = (milestone: string, seen: Seen) => seen.late?.milestone === milestone;

const again = "Then run clawdlets up again.";
const biggerServer = "Take a bigger clawdlets:serverType, at least while installing.";
const pinned =
  "Remove CLAWDLETS_NIXOS_ANYWHERE, and nixos-anywhere from PATH, so that the pinned revision (91fc9b7) is run by nix.";
// Once disko ran there is no system on the disk, and the rescue system answers with a key that is none of ours.
const startOver =
  "Reset the server in its Hetzner console and run clawdlets up again; if it no longer boots, its disk was wiped already: delete it there, and up makes a new one.";

/** In order: what names its cause goes before what only names the place. */
const rules: readonly Rule[] = [
  {
    kind: "host-key",
    // Not a git host's, which nix asks in between.
    found: ({ text, milestone }) =>
      milestone !== undefined &&
      /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/.test(text) &&
      !gitRefused.test(text),
    say: ({ address }) => [
      `${address} shows another host key than the one made for it, so nothing was sent.`,
      "Somebody may be in between, or the server was set up by something else: compare with its Hetzner console. To start over, delete the server there and run clawdlets up again.",
    ],
  },
  {
    kind: "too-many-authentications",
    found: says(/Too many authentication failures/),
    say: () => [
      "ssh was refused: it offered more keys than the server tries.",
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
    say: ({ signal, milestone }) =>
      signal === "SIGKILL" || milestone === undefined
        ? [
            "nixos-anywhere, or a build of its, was killed on this machine, as happens when memory runs out.",
            `Free some memory here, or have the server build (buildOn "remote"). ${again}`,
          ]
        : [
            `the server's memory ran out at "${milestone}", or something was killed there.`,
            `${biggerServer} Building here (buildOn "local") spares the server too. The server's console shows the kernel's word on it.`,
          ],
  },
  {
    kind: "no-such-disk",
    // sgdisk, blockdev, wipefs, lsblk; the last two forms are guessed.
    found: says(
      /Problem opening (\/dev\/[\w./:+-]{1,100}) for reading|(?:cannot open|error:|stat:?|device) '?(\/dev\/[\w./:+-]{1,100}?)'?: (?:.*: )?(?:No such file or directory|not a block device)/,
    ),
    say: ({ text }) => [
      `the server has no disk ${/\/dev\/[\w./+-]{1,100}/.exec(text)?.[0] ?? "of that name"}, which disko was to format.`,
      "Set disko.devices.disk.<name>.device in the flake to the disk it has (Hetzner Cloud: /dev/sda; lsblk in its console shows it), commit, and run clawdlets up again.",
    ],
  },
  {
    kind: "busy-disk",
    found: says(/target is busy|Device or resource busy|is (?:apparently|currently) in use|disk is in use/i),
    say: () => [
      "the disk is in use: most likely /mnt is still mounted from a run that was stopped half way.",
      startOver,
    ],
  },
  {
    kind: "old-nix",
    found: says(/'config' is not a recognised command/),
    say: () => [
      "the nix on this machine is older than 2.16, which nixos-anywhere needs.",
      `Install a newer one (https://nixos.org/download), and name it in NIX_BIN of .clawdlets/.env if it is not first on PATH. ${again}`,
    ],
  },
  {
    kind: "private-flake",
    found: ({ text }) =>
      gitRefused.test(text) ||
      /Bad credentials|(?:api\.github\.com|github\.com|codeload)\S*: HTTP error 40[134]|API rate limit exceeded/i.test(
        text,
      ),
    say: ({ text }) =>
      /Bad credentials|HTTP error 401/.test(text)
        ? [
            "GitHub refused the token that was to fetch the flake.",
            `It has expired, or lacks the right to read its contents: put a new GITHUB_TOKEN in .clawdlets/.env. ${again}`,
          ]
        : [
            "the flake, or an input of it, could not be fetched: it is private, or is not there.",
            `If it is private, put a GITHUB_TOKEN that may read it in .clawdlets/.env; else mend clawdlets:flake, and push the commit. ${again}`,
          ],
  },
  {
    kind: "unknown-flag",
    // The real script takes an unknown option for the host's name, and usage goes to standard output.
    found: says(
      /Could not resolve hostname -|aborted: unknown (?:option|phase)|^Usage: |unrecogni[sz]ed (?:flag|option)/im,
    ),
    say: () => [
      "this nixos-anywhere does not know one of the options it was given: it is another version than the one we know.",
      `${pinned} ${again}`,
    ],
  },
  {
    kind: "kexec-failed",
    found: says(/Failed to kexec into NixOS installer/),
    say: () => [
      "the server runs Debian after kexec, not the installer.",
      `This happens now and then (nixos-images#342), so run clawdlets up again; if it happens a second time, ${lower(biggerServer)}`,
    ],
  },
  {
    kind: "kexec-failed",
    found: ({ text, milestone, late, status }) =>
      /Kexec(?:.*)? failed$/im.test(text) || (milestone === "Switching system into kexec" && !late && status !== 255),
    say: () => [
      "the server did not start the installer by kexec, and is Debian still.",
      "Can it reach github.com, where the installer comes from? Nothing was erased: run clawdlets up again.",
    ],
  },
  {
    kind: "no-installer-again",
    found: (seen) => lateAt("Switching system into kexec", seen),
    say: ({ address, late }) => [
      `the installer did not answer at ${address} within ${late?.seconds} s after kexec.`,
      "Look at the server's console. Nothing was erased: reset it there, which boots Debian, and run clawdlets up again; the rescue system shows more if that does not help.",
    ],
  },
  {
    kind: "no-ssh-key-upload",
    found: (seen) => lateAt("Uploading install SSH keys", seen),
    say: ({ address, late }) => [
      `the ssh key for the installation could not be put on ${address} within ${late?.seconds} s.`,
      "nixos-anywhere would try for ever. Is it reachable, are root's authorized_keys there writable, and ~/.ssh here? See its console, then run clawdlets up again.",
    ],
  },
  {
    kind: "facts",
    found: says(/Failed to retrieve fact (\w{1,40})/),
    say: (_seen, name) => [`the server did not say "${name}", one of the facts nixos-anywhere asks for.`, startOver],
  },
  {
    kind: "facts",
    found: says(/aborted: (?:no (\w{1,20}) command|no \w+ command respecting|This script requires Linux)/),
    say: (_seen, name) => [
      `what runs on the server cannot become NixOS by kexec${name === "" ? "" : `: it has no ${name}`}.`,
      "Install on Debian (clawdlets:image: debian-12): delete the server in its Hetzner console and run clawdlets up again.",
    ],
  },
  ...nixFailures.map(({ kind, found, say }): Rule => ({ kind, found: says(found), say: (_seen, name) => say(name) })),
  {
    kind: "closure-copy",
    found: ({ milestone, late, text }) =>
      (milestone === "Uploading the system closure" && !late) ||
      /failed to start SSH connection|error: cannot connect to 'root@|lacks a (?:valid )?signature|unexpected end-of-file/i.test(
        text,
      ),
    say: () => [
      "the connection broke, or the server stopped taking it, while the system was copied.",
      `The disk is half written. Look at the server's console; a big system goes better when the server builds it (buildOn "remote"). ${startOver}`,
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
        ? `the facts of ${address} were not gathered, or the flake's substituters not read, within ${late.seconds} s.`
        : `${address} did not answer when it was asked for its facts.`,
      "Look at the server's console, then run clawdlets up again.",
    ],
  },
  {
    kind: "connection-lost",
    found: ({ status, text, late }) =>
      status === 255 ||
      (!late && /client_loop: send disconnect|^ssh: connect to host .* timed out|^Timeout, server /im.test(text)),
    say: ({ address, milestone }) => [
      `the ssh connection to ${address} was lost${milestone === undefined ? "" : ` at "${milestone}"`}.`,
      `Look at the server's console, and whether your own address has changed. ${startOver}`,
    ],
  },
  {
    kind: "no-reboot",
    found: ({ late }) => late?.milestone !== undefined && /^Rebooting$|unreachable/.test(late.milestone),
    say: ({ late }) => [
      `the server did not go down to reboot within ${late?.seconds} s; NixOS is on its disk.`,
      "Reset it in its Hetzner console, and run clawdlets up again: a host that has come up is left as it is.",
    ],
  },
  {
    kind: "deadline",
    found: ({ late }) => late !== undefined,
    say: ({ late, phase, milestone }) => [
      `nixos-anywhere's phase "${phase}" did not end within ${late?.seconds} s; it was at ${milestone === undefined ? "building, before its first milestone" : `"${milestone}"`}.`,
      `Look at the server's console. ${startOver}`,
    ],
  },
  { kind: "other", found: () => true, say: unknown },
];

function noSpace({ milestone, phase }: Seen): [string, string] {
  if (milestone === undefined) {
    return [
      "this machine has no space left for the build; nothing was sent.",
      `Free some in /nix and in $TMPDIR. ${again}`,
    ];
  }
  if (phase === "kexec") {
    return [`the server has no space left at "${milestone}", before the installer runs.`, `${biggerServer} ${again}`];
  }
  return [
    `the server has no space left at "${milestone}": the installer's own store is a tmpfs of half the server's RAM.`,
    `${biggerServer} Or set buildOn to "local", so that nothing is built there. ${startOver}`,
  ];
}

function unknown({ phase, exitCode, signal, milestone, output }: Seen): [string, string] {
  const line = harmlessLastLine(output);
  const how = exitCode === undefined ? (signal ?? "no status") : `exit status ${exitCode}`;
  const where = milestone === undefined ? "before its first milestone" : `at "${milestone}"`;
  return [
    `nixos-anywhere's phase "${phase}" ended with ${how} ${where}${line === undefined ? "" : `; its last line: "${line}"`}.`,
    `Read its output and look at the server's console. ${startOver}`,
  ];
}

/** Programs whose complaints are quoted. Not nix's log lines or what a build prints: those may hold anything. */
const complaint =
  /^(?:error|aborted|ssh|scp|kex_exchange_identification|umount|mount|sgdisk|wipefs|mkfs[.\w]*|nixos-install|disko|tar): /;
const secret =
  /AGE-SECRET|PRIVATE KEY|\bgh[a-z]_|github_pat_|tskey-|token|passw|passphrase|secret|credential|\$[0-9y]\$|:\/\/[^/\s]*@|[\w+=-]{32}/i;

/** The last line, short, if it is a complaint of a known program and looks like nothing secret; else none at all. */
export function harmlessLastLine(output: readonly string[]): string | undefined {
  const line = (output.findLast((text) => text.trim() !== "") ?? "")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
    .replace(/\u001b\[[0-9;]*m/g, "")
    .replace(/[\p{Cc}\p{Cf}]/gu, "�")
    .trim()
    .replace(/\/nix\/store\/[a-z0-9]{32}-/g, "/nix/store/…-");
  return complaint.test(line) && !secret.test(line) ? line.slice(0, 160) : undefined;
}

const lower = (sentence: string) => sentence.charAt(0).toLowerCase() + sentence.slice(1);
