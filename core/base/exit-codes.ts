/**
 * Exit codes of `clawdlets`. Stable: scripts may rely on them. All are below 126; the shell uses the rest.
 * Commands that only report (`preview`, `verify`, `doctor`) add no codes of their own, except `preview --ci`: it exits with what it
 * found (`ok`, `changes`, `dangerous`), or with `settings` if a stack cannot be previewed.
 */
export const exitCodes = {
  ok: 0,
  /** A failure without a code of its own; the message says what happened. */
  failed: 1,
  /** The command line itself is wrong: an unknown option, a missing argument. */
  usage: 2,
  /** Settings, keys or secrets are missing or wrong. Nothing was changed. */
  settings: 3,
  /** The Pulumi engine or one of its plugins is missing and could not be set up. */
  engine: 4,
  /** Another process is working on this host. */
  busy: 5,
  /** Hetzner's API refused or could not be reached. */
  api: 6,
  /** The installation failed. */
  install: 7,
  /** A port that must be closed is open, or could not be proven closed. */
  open: 8,
  /** A change to a running host was rolled back: it runs its previous system. */
  returned: 9,
  /** `preview --ci`: something would change, but nothing dangerous. */
  changes: 10,
  /** `preview --ci`: something would be replaced, opened or destroyed, or the policy refuses it. */
  dangerous: 11,
  /** Lost contact after a change was started: the host runs either the old or the new system. */
  unseen: 12,
  /** Cannot tell whether a host is locked down: no token, no answer from Hetzner or the tailnet, a server that is off. */
  unknown: 13,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
