import type { NixFailure } from "./nix-failure.ts";

const again = "Commit the fix, then run clawdlets up again.";
const retry = "Then run clawdlets up again.";

/** Sources that nix cannot fetch. First of all: without them, git and nix go on to complain about what is missing. */
export const fetchFailures: readonly NixFailure[] = [
  {
    kind: "source-unreachable",
    found:
      /unable to download '\w+:\/\/([\w.-]{1,100})[^']*': (?:Could ?n[o']t|Failed to connect|Connection|Timeout|\S+ timed out|Operation|SSL|Problem with the SSL|Server returned nothing|HTTP error (?:429|5\d\d))|Could not resolve host(?:name)?:? ([\w.]{1,100})|curl: \(\d+\) .*(?:resolve|connect to) (?:host:? )?([\w.-]{1,100})|cannot download ([\w.+-]{1,80}) from any mirror/,
    say: (name) => [
      `${name} could not be reached from here, and nix needs it for the flake.`,
      "Check this machine's network and proxy. Nothing was erased: run clawdlets up again.",
    ],
  },
  {
    kind: "source-gone",
    found: /unable to download '\w+:\/\/([\w.-]{1,100})[^']*': HTTP error 4\d\d/,
    say: (name) => [
      `${name} refused a file that the flake fetches.`,
      `Check its address in flake.nix and flake.lock, and whether it needs a token. ${again}`,
    ],
  },
];

/** A flake that evaluates, and then cannot be built. In order, as `evaluationFailures`. */
export const buildFailures: readonly NixFailure[] = [
  {
    kind: "hash-mismatch",
    found:
      /hash mismatch in (?:fixed-output derivation '\S*?-([\w.+-]{1,80})\.drv'|file downloaded from '\w+:\/\/([\w.-]{0,100}))/,
    say: (name) => [
      `the download ${name === "" ? "of a file" : `"${name}"`} has changed: its hash differs from the one that the flake pins.`,
      `Find out why before you accept the new hash: someone may have replaced the file. ${again}`,
    ],
  },
  {
    kind: "killed-builder",
    found: /(?:builder for|Cannot build) '\S*?-([\w.+-]{1,80})\.drv'(?:\.\s+Reason: builder)? failed due to signal/,
    say: (name) => [
      `the build of "${name}" was killed; the usual reason is that memory ran out.`,
      `Free some memory, or build on the other side (clawdlets:install buildOn "local" or "remote"). ${retry}`,
    ],
  },
  {
    kind: "wrong-system",
    found:
      /error: (?:a '[\w-]+' with features \{([\w, -]{1,80})\} is required|a '([\w-]{1,40})' with features \{\} is required|Cannot build '[^']*'\.\s+Reason: (?:platform mismatch|missing system features)\s+Required (?:system|features): ['{]([\w, -]{1,80})['}])/,
    say: (name) => [
      `a build needs ${name}, which this machine does not offer.`,
      `Have the server build (clawdlets:install buildOn "remote"), or configure a builder in nix.conf. ${retry}`,
    ],
  },
  {
    kind: "failed-builder",
    found:
      /(?:builder for|Cannot build) '\S*?-([\w.+-]{1,80})\.drv'(?: failed (?:with exit code|to produce)|\.)|output '\S*?-([\w.+-]{1,80})' is not allowed to refer/,
    say: (name, { more }) => [`the build of "${name}" failed.`, `${more} ${again}`],
  },
  {
    kind: "nix-store",
    found: /big-lock['"]?: Permission denied|cannot connect to socket at '|could not set permissions on '\/nix\//,
    say: () => [
      "this user may not write to /nix/store, and no nix daemon answers.",
      `Start the daemon (systemctl start nix-daemon), or run clawdlets as the user who installed nix. ${retry}`,
    ],
  },
  {
    kind: "nix-setup",
    found:
      /^error: (?:option '[\w-]+' has invalid value|the group '|cannot perform a sandboxed build|experimental Nix feature|.* is not a valid (?:setting|experimental))/m,
    say: (_name, { words }) => [
      `nix is not set up to build on this machine${words}.`,
      `Fix nix.conf or the installation of nix (https://nixos.org/download). ${retry}`,
    ],
  },
  {
    kind: "evaluation",
    found: /while (?:evaluating|calling|realising|updating|fetching)|--show-trace|^\s+at [^\n]+:\d+:\d+:$/m,
    say: (_name, { where, words, more }) => [`the flake does not evaluate${where}${words}.`, `${more} ${again}`],
  },
];
