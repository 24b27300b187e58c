/** How nix can fail on the flake. */
export type NixFailureKind =
  | "failed-assertion"
  | "missing-attribute"
  | "hash-mismatch"
  | "killed-builder"
  | "failed-builder"
  | "wrong-system"
  | "source-unreachable"
  | "evaluation";

interface NixFailure {
  kind: NixFailureKind;
  found: RegExp;
  /** @param name first capture group; never more of nix's output, which may hold a secret of the flake */
  say: (name: string) => [message: string, advice: string];
}

const again = "Commit the fix, then run clawdlets up again.";
const inLog = "The installer's log has nix's error message: clawdlets logs.";

/** In order: rules that find the cause come before rules that only find the place. Tested with Nix 2.8; 2.26 is similar. */
export const nixFailures: readonly NixFailure[] = [
  {
    kind: "failed-assertion",
    found: /^\s*(?:error: )?Failed assertions:|^error: assertion '.*' failed/m,
    say: () => [
      "the configuration contradicts itself: an assertion of NixOS or of the flake failed.",
      `${inLog} ${again}`,
    ],
  },
  {
    kind: "missing-attribute",
    found: /does not provide attribute (?:'[^']*?nixosConfigurations\.\\?"?([\w-]{1,63}))?/,
    say: (name) => [
      `the flake has no host ${name === "" ? "of that name" : `"${name}"`}.`,
      `Compare flakeHost in .clawdlets/stack.json with nix flake show. ${again}`,
    ],
  },
  {
    kind: "missing-attribute",
    found: /^error: attribute '([\w.-]{1,60})' missing/m,
    say: (name) => [`the flake uses "${name}", which does not exist.`, `${inLog} ${again}`],
  },
  {
    kind: "hash-mismatch",
    found: /hash mismatch in fixed-output derivation '\S*?-([\w.+-]{1,80})\.drv'/,
    say: (name) => [
      `the download "${name}" has changed: its hash differs from the one that the flake pins.`,
      `Find out why before you accept the new hash: someone may have replaced the file. ${again}`,
    ],
  },
  {
    kind: "killed-builder",
    found: /builder for '\S*?-([\w.+-]{1,80})\.drv' failed due to signal/,
    say: (name) => [
      `the build of "${name}" was killed; the usual reason is that memory ran out.`,
      'Free some memory, or build on the other side (clawdlets:install buildOn "local" or "remote"). Then run clawdlets up again.',
    ],
  },
  {
    kind: "failed-builder",
    found: /(?:builder for|Cannot build) '\S*?-([\w.+-]{1,80})\.drv'(?: failed with exit code|\.)/,
    say: (name) => [`the build of "${name}" failed.`, `${inLog} ${again}`],
  },
  {
    kind: "wrong-system",
    found: /^error: a '([\w-]{1,40})' with features .* is required to build/m,
    say: (name) => [
      `the flake needs builds for ${name}, which this machine cannot do.`,
      'Have the server build (clawdlets:install buildOn "remote"), or configure a builder in nix.conf. Then run clawdlets up again.',
    ],
  },
  {
    kind: "source-unreachable",
    found:
      /unable to download '(?:https?:\/\/)([\w.-]{1,100})[^']*': (?:Could ?n[o']t resolve|Could not resolve|Failed to connect|Couldn't connect|Connection|Timeout|Operation timed out)/,
    say: (name) => [
      `${name} could not be reached from here, and nix needs it for the flake.`,
      "Check this machine's network and proxy. Nothing was erased: run clawdlets up again.",
    ],
  },
  {
    kind: "evaluation",
    found: /while (?:evaluating|calling)|--show-trace|^\s+at [^\n]+:\d+:\d+:$/m,
    say: () => ["the flake does not evaluate.", `${inLog} ${again}`],
  },
];
