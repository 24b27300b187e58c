import type { NixFailure } from "./nix-failure.ts";

const again = "Commit the fix, then run clawdlets up again.";
/** An error of nix, which may be the last of a trace. */
const error = (words: string) => new RegExp(`^\\s*error: (?:${words})`, "m");

/** A flake that cannot be evaluated. In order: rules that find the cause come before rules that only find the place. */
export const evaluationFailures: readonly NixFailure[] = [
  {
    kind: "failed-assertion",
    found:
      /^\s*(?:error: )?Failed assertions:|^\s*error: assertion '.*' failed|evaluating the condition of the assertion/m,
    say: (_name, { where, more }) => [
      `the configuration contradicts itself: an assertion of NixOS or of the flake failed${where}.`,
      `${more} ${again}`,
    ],
  },
  {
    kind: "missing-host",
    found: /does not provide attribute (?:'[^']*?nixosConfigurations\.\\?"?([\w-]{1,63}))?/,
    say: (name) => [
      `the flake has no NixOS system for ${name === "" ? "this host" : `"${name}"`}.`,
      `Compare flakeHost in .clawdlets/stack.json with nix flake show. ${again}`,
    ],
  },
  {
    kind: "not-a-system",
    found:
      /expected flake output attribute '[^']*' to be a derivation|flake output attribute '[^']*' is not a derivation/,
    say: () => [
      "the flake's output for this host is not a NixOS system.",
      `nixosConfigurations.<host> has to be what nixpkgs.lib.nixosSystem returns. ${again}`,
    ],
  },
  {
    kind: "unknown-option",
    found: error("The option [`']([\\w.\"<>*-]{1,120})' does not exist"),
    say: (name, { more }) => [
      `the configuration sets ${name}, which no imported module declares.`,
      `Check its spelling, and that its module is imported. ${more} ${again}`,
    ],
  },
  {
    kind: "option-value",
    found: error(
      "The option [`']([\\w.\"<>*-]{1,120})' (?:has conflicting|is read-only|is defined multiple|was accessed but|is used but not)|A definition for option [`']([\\w.\"<>*-]{1,120})' is not of type",
    ),
    say: (name, { more }) => [
      `the option ${name} has no value, two different ones, or one that it does not allow.`,
      `${more} ${again}`,
    ],
  },
  {
    kind: "missing-file",
    found:
      /error: (?:path '(?:\S*?-source\/|\/?(?=\/))([^'\n]{1,160})' does not exist|(?:getting status of|opening file|reading directory) ['"]?(?:\S*?-source\/)([^'"\n:]{1,160})['"]?: No such file|Path '([^'\n]{1,160})' (?:does not exist in Git repository|in the repository .* is not tracked by Git))/,
    say: (name, { where }) => [
      `the flake reads ${shown(name)}${where}, but that is not in the commit.`,
      `Create it, or add it to git (git add ${shown(name)}): a flake sees only what git tracks. ${again}`,
    ],
  },
  {
    kind: "syntax-error",
    found: /error: (?:syntax error, |(?:dynamic )?attribute '[^']*' already defined)/,
    say: (_name, { where, words }) => [`the flake is not valid Nix${where}${words}.`, again],
  },
  {
    kind: "invalid-data",
    found: /json\.exception\.parse_error\.\d+\] parse error at (line \d+, column \d+)|while parsing (?:a )?TOML/,
    say: (name, { where }) => [
      `a JSON or TOML file that the flake reads is malformed${name === "" ? "" : ` (${name})`}${where}.`,
      `It can also be flake.lock, for example with the marks of a merge conflict. ${again}`,
    ],
  },
  {
    kind: "undefined-variable",
    found: error("undefined variable '([\\w'-]{1,60})'"),
    say: (name, { where }) => [`the flake uses the name "${name}"${where}, which is not defined there.`, again],
  },
  {
    kind: "infinite-recursion",
    found: error("infinite recursion encountered|stack overflow"),
    say: (_name, { where, more }) => [
      `the configuration depends on itself${where} (infinite recursion).`,
      `Often a module's imports depend on config: use lib.mkIf instead. ${more} ${again}`,
    ],
  },
  {
    kind: "impure",
    found: /in pure evaluation mode|is forbidden in (?:pure|restricted)|is not allowed in (?:pure|restricted)/,
    say: (_name, { where, words }) => [
      `the flake reads something outside of itself${where}${words}.`,
      `Put the file into the repository, or make it an input of the flake. ${again}`,
    ],
  },
  {
    kind: "wrong-arguments",
    found: error("function '[^'\\n]*' called with(?:out required| unexpected) argument '([\\w'-]{1,60})'"),
    say: (name, { where, words }) => [
      `a function of the flake is called with the wrong arguments${where}${words}.`,
      `Name "${name}" in both places, or in neither. In flake.nix, each input is also an argument of outputs. ${again}`,
    ],
  },
  {
    kind: "missing-attribute",
    found: error("attribute '([\\w.-]{1,60})' missing"),
    say: (name, { where }) => [
      `the flake uses "${name}"${where}, which does not exist.`,
      `Check its spelling. ${again}`,
    ],
  },
  {
    kind: "lock-file",
    found:
      /lock file '[^'\n]*' has unsupported version|NAR hash mismatch in input|mismatch in field 'narHash' of input|requires lock file changes/,
    say: () => [
      "flake.lock does not match what the flake's inputs are now.",
      `If you did not change an input, find out who did. Otherwise: nix flake lock. ${again}`,
    ],
  },
  {
    kind: "invalid-flake",
    found:
      /has an unsupported attribute '|lacks attribute 'outputs'|while evaluating flake attribute|must be an? \w+ literal/,
    say: (_name, { where, words }) => [`flake.nix is not a valid flake${where}${words}.`, again],
  },
  {
    kind: "unknown-commit",
    found:
      /Cannot find Git revision|getting Git object '[^']*': object not found|resolving Git reference '|unknown revision or path/,
    say: () => [
      "the repository of the flake, or of one of its inputs, does not have the commit or branch that is asked for.",
      "Push it, or choose another one (clawdlets:flake, flake.lock). Then run clawdlets up again.",
    ],
  },
  {
    kind: "foreign-repository",
    found: /repository path '[^'\n]*' is not owned by current user|detected dubious ownership/,
    say: () => [
      "the flake's repository belongs to another user, so git does not read it.",
      "Run clawdlets as its owner, or: git config --global --add safe.directory <path>. Then run clawdlets up again.",
    ],
  },
  {
    kind: "thrown",
    found: /while calling the '(?:throw|abort)' builtin|evaluation aborted with the following error message/,
    say: (_name, { where, words, more }) => [
      `the flake stopped with a message of its own${where}${words}.`,
      `${more} ${again}`,
    ],
  },
  {
    kind: "wrong-type",
    found: error(
      "expected an? .{1,60} but found|cannot (?:coerce|add|compare)|value is an? .{1,60} while|attempt to call something which is not a function|division by zero|'builtins\\.\\w+' called |list index \\d+ is out of bounds|invalid regular expression|invalid (?:derivation name|SRI hash)|store path name|name '.*' contains illegal",
    ),
    say: (_name, { where, words }) => [
      `the flake uses a value in a way that its type does not allow${where}${words}.`,
      again,
    ],
  },
];

/** A path of the flake, as far as it is one that a person would type. */
const shown = (path: string) => (/^[\w@./+-]+$/.test(path) ? path : "a file");
