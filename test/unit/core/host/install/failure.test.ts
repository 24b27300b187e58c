import { describe, expect, it } from "vitest";
import {
  type Ending,
  explainFailure,
  type FailureKind,
  harmlessLastLine,
} from "../../../../../core/host/install/failure.ts";

/**
 * Outputs as nixos-anywhere 91fc9b7, nix, disko and OpenSSH word them: `src/nixos-anywhere.sh` was read for its own lines.
 * Lines of nix, disko's tools and the kernel are from issues and memory; "guessed" marks what was not seen anywhere.
 */
const keys = "### Uploading install SSH keys ###";
const facts = "### Gathering machine facts ###";
const kexec = "### Switching system into kexec ###";
const disko = "### Formatting hard drive with disko ###";
const closure = "### Uploading the system closure ###";
const installing = "### Installing NixOS ###";
const leaving = "### Waiting for the machine to become unreachable due to reboot ###";

const context = { host: "web-1", address: "203.0.113.9" };
const ending = (over: Partial<Ending>): Ending => ({
  phase: "disko,install",
  exitCode: 1,
  signal: undefined,
  late: undefined,
  output: [],
  context,
  ...over,
});

const cases: [FailureKind, string, Partial<Ending>, RegExp][] = [
  [
    "no-space",
    "the installer's tmpfs",
    { output: [facts, "copying 3 paths...", "error: writing to file: No space left on device"] },
    /half the server's RAM.*bigger clawdlets:serverType.*buildOn/s,
  ],
  [
    "no-space",
    "this machine, before anything was sent",
    { output: ["error: writing to file: No space left on device"] },
    /this machine has no space left.*Free some/s,
  ],
  [
    "no-space",
    "an endless loop on it, so that the time is up",
    { exitCode: undefined, signal: "SIGTERM", late: { seconds: 120 }, output: [keys, "cat: No space left on device"] },
    /no space left/,
  ],
  ["out-of-memory", "exit 137", { exitCode: 137, output: [installing, "Killed"] }, /memory.*bigger/s],
  [
    "out-of-memory",
    "kexec finds no memory", // guessed: kexec-tools' words, inside nixos-anywhere's log of the remote
    { phase: "kexec", output: [kexec, "Could not find a free area of memory of 0x1c000 bytes...", "Kexec failed"] },
    /memory/,
  ],
  [
    "out-of-memory",
    "killed on this machine",
    { exitCode: undefined, signal: "SIGKILL", output: ["evaluating"] },
    /this machine/,
  ],
  [
    "no-such-disk",
    "sgdisk",
    {
      exitCode: 2,
      output: [disko, "Problem opening /dev/nvme0n1 for reading! Error is 2.", "The specified file does not exist!"],
    },
    /no disk \/dev\/nvme0n1.*disko\.devices\.disk/s,
  ],
  [
    "no-such-disk",
    "wipefs",
    { output: [disko, "wipefs: error: /dev/disk/by-id/foo: probing initialization failed: No such file or directory"] },
    /no disk \/dev\/disk\/by-id\/foo/,
  ],
  [
    "busy-disk",
    "a mounted /mnt (disko#989)",
    { exitCode: 32, output: [disko, "umount: /mnt: target is busy."] },
    /in use.*console/s,
  ],
  [
    "busy-disk",
    "sgdisk on a mounted disk",
    { output: [disko, "wipefs: error: /dev/sda: Device or resource busy"] },
    /use/,
  ],
  [
    "private-flake",
    "404",
    {
      output: [
        "error:",
        "       error: unable to download 'https://api.github.com/repos/acme/fleet/commits/HEAD': HTTP error 404",
        '       response body: {"message":"Not Found"}',
      ],
    },
    /GITHUB_TOKEN.* in \.clawdlets\/\.env/,
  ],
  [
    "private-flake",
    "a bad token",
    { output: ["error: HTTP error 401", '{"message":"Bad credentials"}'] },
    /expired|refuse/,
  ],
  [
    "private-flake",
    "a git host that does not know us, which is not a word on the server's key",
    {
      output: [
        facts,
        "Host key verification failed.",
        "fatal: Could not read from remote repository.",
        "error: Failed to fetch git repository 'ssh://git@git.example.org/fleet'",
      ],
    },
    /could not be fetched/,
  ],
  [
    "closure-copy",
    "broken while copying",
    {
      output: [
        closure,
        "copying path '/nix/store/x'",
        "client_loop: send disconnect: Broken pipe",
        "error: unexpected end-of-file",
      ],
    },
    /system was being copied.*clawdlets up/s,
  ],
  ["closure-copy", "255 while copying", { exitCode: 255, output: [closure] }, /copied/],
  [
    "closure-copy",
    "disko's script, which is copied without a marker of its own",
    { output: [facts, "error: cannot connect to 'root@203.0.113.9'"] },
    /copied/,
  ],
  [
    "too-many-authentications",
    "too many keys",
    {
      late: { milestone: "Uploading install SSH keys", seconds: 120 },
      output: [keys, "Received disconnect from 203.0.113.9 port 22:2: Too many authentication failures"],
    },
    /ssh-agent|agent/,
  ],
  [
    "host-key",
    "another host key, for which ssh-copy-id tries for ever",
    {
      late: { milestone: "Uploading install SSH keys", seconds: 120 },
      output: [keys, "Host key verification failed."],
    },
    /different host key.*man-in-the-middle/s,
  ],
  [
    "kexec-failed",
    "kexec's own failure",
    {
      phase: "kexec",
      output: [kexec, "Remote output log:", "kexec_load failed: Operation not permitted", "Kexec failed"],
    },
    /clawdlets up/,
  ],
  [
    "kexec-failed",
    "Debian again (nixos-images#342)",
    { phase: "kexec", output: [kexec, facts, "aborted: Failed to kexec into NixOS installer"] },
    /after kexec the server runs Debian/,
  ],
  ["connection-lost", "while the kexec script is sent", { phase: "kexec", exitCode: 255, output: [kexec] }, /lost at/],
  [
    "source-unreachable",
    "a cache that is slow to answer nix",
    {
      output: [facts, "error: unable to download 'https://cache.nixos.org/x.narinfo': Resolving timed out after 15 s"],
    },
    /cache\.nixos\.org could not be reached/,
  ],
  [
    "no-installer-again",
    "the endless wait after kexec (#337)",
    {
      phase: "kexec",
      exitCode: undefined,
      signal: "SIGTERM",
      late: { milestone: "Switching system into kexec", seconds: 600 },
      output: [kexec, "machine will boot into nixos in 6s...", "Warning: Permanently added"],
    },
    /installer did not answer at 203\.0\.113\.9 within 600 s.*console.*reset/s,
  ],
  [
    "no-ssh-key-upload",
    "the endless loop of ssh-copy-id (#186)",
    {
      phase: "kexec",
      exitCode: undefined,
      signal: "SIGTERM",
      late: { milestone: "Uploading install SSH keys", seconds: 120 },
      output: [keys, "/usr/bin/ssh-copy-id: ERROR: ssh: connect to host 203.0.113.9 port 22: Connection refused"],
    },
    /ssh key.*within 120 s.*authorized_keys/s,
  ],
  [
    "facts",
    "none came",
    { output: [facts, "aborted: Retrieving host facts via SSH failed. Check with --debug for the root cause"] },
    /facts/,
  ],
  [
    "facts",
    "one is missing",
    { output: [facts, "aborted: Failed to retrieve fact hasSetsid from host"] },
    /"hasSetsid"/,
  ],
  ["facts", "ssh ended in silence", { phase: "kexec", output: [facts] }, /facts/],
  [
    "facts",
    "the time was up",
    { phase: "kexec", late: { milestone: "Gathering machine facts", seconds: 600 }, output: [facts] },
    /within 600 s/,
  ],
  [
    "old-nix",
    "Debian's 2.8",
    { output: ["error: 'config' is not a recognised command", "Try 'nix --help' for more information."] },
    /2\.16.*NIX_BIN/s,
  ],
  // Nix's other failures, as real ones print them, are in test/unit/core/host/flake.
  [
    "failed-builder",
    "an exit code",
    {
      output: [
        facts,
        "error: builder for '/nix/store/afpcl3vwyf48ccwjm13306740by9imvs-bot-1.0.drv' failed with exit code 3;",
        "       last 1 log lines:",
        "       > broken",
      ],
    },
    /build of "bot-1\.0" failed.*clawdlets logs/s,
  ],
  [
    "nix-error",
    "of a kind that is not known",
    { output: [facts, "error: something new"] },
    /this machine.*clawdlets logs/s,
  ],
  ["out-of-memory", "of nix, after a milestone", { output: [facts, "error: out of memory"] }, /killed on this machine/],
  ["connection-lost", "255", { exitCode: 255, output: [disko, "Connection to 203.0.113.9 closed."] }, /connection/],
  [
    "unknown-flag",
    "the flag was taken for the host",
    { output: ["ssh: Could not resolve hostname --bogus: Name or service not known"] },
    /91fc9b7|pinned/,
  ],
  ["unknown-flag", "an unknown phase", { output: ["aborted: Unknown phase: disko"] }, /CLAWDLETS_NIXOS_ANYWHERE/],
  ["unknown-flag", "usage on stdout", { output: ["Usage: nixos-anywhere [options] [<ssh-host>]"] }, /options/],
  [
    "no-reboot",
    "it goes on answering",
    { phase: "reboot", late: { milestone: leaving.slice(4, -4), seconds: 180 }, output: [leaving] },
    /start its reboot.*180 s.*console/s,
  ],
  [
    "deadline",
    "the whole phase's time is up",
    { late: { seconds: 3600 }, exitCode: undefined, signal: "SIGTERM", output: [disko] },
    /3600 s.*"Formatting hard drive with disko"/s,
  ],
  [
    "other",
    "nothing known",
    { exitCode: 3, output: [installing, "nixos-install: something new"] },
    /exit status 3.*"nixos-install: something new"/s,
  ],
  ["other", "without a word", { exitCode: 9, output: [] }, /exit status 9/],
];

describe("explainFailure", () => {
  it.each(cases)("%s: %s", (kind, _name, over, words) => {
    const found = explainFailure(ending(over));
    expect(found).toMatchObject({ kind });
    expect(`${found.message} ${found.advice}`).toMatch(words);
    expect(found.message).toMatch(/^web-1: /);
    expect(found.message + found.advice).not.toMatch(/undefined|\n/);
  });

  it("has a case for every kind that is not nix's", () => {
    expect(new Set(cases.map(([kind]) => kind)).size).toBe(21);
  });

  it("judges the last milestone alone, and no warning that nix goes on after", () => {
    const earlier = [disko, "umount: /mnt: target is busy.", installing, "nixos-install: something new"];
    expect(explainFailure(ending({ output: earlier })).kind).toBe("other");
    const retried =
      "warning: error: unable to download 'https://github.com/x/y.tar.gz': HTTP error 404; retrying in 300 ms";
    expect(explainFailure(ending({ output: [retried, "error: builder failed"] })).kind).toBe("nix-error");
    // Ended by us: its 137 and 255 say nothing of the host.
    for (const exitCode of [137, 255]) {
      expect(explainFailure(ending({ exitCode, late: { seconds: 5 }, output: [disko] })).kind).toBe("deadline");
    }
  });
});

describe("harmlessLastLine", () => {
  it.each([
    "error: AGE-SECRET-KEY-1QQQQ",
    "error: -----BEGIN OPENSSH PRIVATE KEY-----",
    "error: access-tokens = github.com=abc",
    "error: ghp_0123456789",
    "error: https://user:hunter2@example.org/x",
    `error: ${"a1B2".repeat(16)}`,
    "error: password is hunter2",
    "$6$abc$def",
    "a line of no known kind",
    "### Installing NixOS ###",
  ])("does not quote %j", (line) => {
    expect(harmlessLastLine(["error: earlier", line])).toBeUndefined();
    expect(explainFailure(ending({ output: [line] })).message).not.toContain(line);
  });

  it("shortens, and takes out whatever could move the cursor", () => {
    expect(harmlessLastLine(["error: a\u001b[31mb\u001b[0m\u0007c\u202ed", "  "])).toBe("error: ab�c�d");
    expect(harmlessLastLine([`error: ${"ab ".repeat(100)}`])).toHaveLength(160);
    expect(harmlessLastLine(["error: builder for '/nix/store/0123456789abcdfghijklmnpqrsvwxyz-foo' failed"])).toBe(
      "error: builder for '/nix/store/…-foo' failed",
    );
  });
});
