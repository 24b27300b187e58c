/** How nix can fail on the flake: what is wrong in it, in its build, and on this machine. */
export type NixFailureKind =
  | "failed-assertion"
  | "missing-host"
  | "not-a-system"
  | "unknown-option"
  | "option-value"
  | "missing-file"
  | "syntax-error"
  | "invalid-data"
  | "undefined-variable"
  | "missing-attribute"
  | "wrong-arguments"
  | "infinite-recursion"
  | "impure"
  | "invalid-flake"
  | "lock-file"
  | "unknown-commit"
  | "foreign-repository"
  | "thrown"
  | "wrong-type"
  | "evaluation"
  | "hash-mismatch"
  | "killed-builder"
  | "failed-builder"
  | "wrong-system"
  | "source-unreachable"
  | "source-gone"
  | "nix-store"
  | "nix-setup";

/** What a failure says of itself besides its kind. */
export interface NixDetails {
  /** Where in the flake, with a space before it: ` at hosts/web-1.nix:3:5`. Empty if nix does not say. */
  where: string;
  /** Nix's own words, with a colon before them: `: no such bot`. Empty if they could hold a secret of the flake. */
  words: string;
  /** A sentence that says where nix's whole output is. */
  more: string;
}

export interface NixFailure {
  kind: NixFailureKind;
  found: RegExp;
  /** @param name the first capture group that took part, which the pattern limits to a name; else empty */
  say: (name: string, details: NixDetails) => [message: string, advice: string];
}
