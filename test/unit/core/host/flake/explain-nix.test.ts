import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildFailures, fetchFailures } from "../../../../../core/host/flake/build-failures.ts";
import { evaluationFailures } from "../../../../../core/host/flake/evaluation-failures.ts";
import { explainNix } from "../../../../../core/host/flake/explain-nix.ts";
import { explainFailure, type FailureKind } from "../../../../../core/host/install/failure.ts";
import { repository } from "../../../../_repository.ts";

/** Each mistake of test/fixtures/nix, under its kind. */
const kinds: Partial<Record<FailureKind, readonly string[]>> = {
  "failed-assertion": ["assert", "assert-false", "assert-nixos"],
  "missing-host": ["no-configs", "no-host"],
  "not-a-system": ["not-derivation"],
  "unknown-option": ["mod-unknown-option"],
  "option-value": ["mod-bad-value", "mod-conflict", "mod-undefined"],
  "missing-file": [
    "dir-without-default",
    "flake-untracked",
    "input-missing-path",
    "missing-import",
    "missing-path-in-string",
    "missing-readfile",
    "no-flake",
    "untracked",
    "untracked-dir",
  ],
  "syntax-error": ["duplicate-attr", "flake-syntax", "syntax", "syntax-string"],
  "invalid-data": ["json", "lock-broken", "toml"],
  "undefined-variable": ["undefined"],
  "missing-attribute": ["missing-attr", "mod-argument"],
  "wrong-arguments": ["input-not-listed", "missing-argument", "unexpected-argument"],
  "infinite-recursion": ["mod-imports-recursion", "mod-recursion", "overflow", "recursion"],
  impure: ["absolute-path", "lookup-path", "store-path-missing", "unlocked-fetch", "unlocked-git"],
  "invalid-flake": ["bad-flake", "flake-expr", "no-outputs"],
  "lock-file": ["lock-bad-hash", "lock-version"],
  "unknown-commit": ["bad-ref", "bad-rev"],
  "private-flake": ["not-git", "nowhere"],
  "foreign-repository": ["other-owner"],
  thrown: ["abort", "throw"],
  "wrong-type": ["bad-name", "bad-regex", "coerce", "not-function", "type", "type-set"],
  evaluation: ["mod-throw"],
  "hash-mismatch": ["file-url-hash", "hash"],
  "killed-builder": ["build-killed"],
  "failed-builder": ["build-fails", "build-fails-dep", "build-no-output", "builder-missing", "forbidden-ref"],
  "wrong-system": ["wrong-features", "wrong-system"],
  "source-unreachable": [
    "fetch-derivation",
    "git-https",
    "github",
    "input-503",
    "input-unlocked",
    "locked-fetch",
    "registry",
    "tarball-refused",
  ],
  "source-gone": ["input-gone", "source-gone"],
  "nix-store": ["no-daemon", "not-root"],
  "nix-setup": ["bad-conf", "no-features", "no-nixbld"],
  "no-space": ["disk-full-build", "enospc"],
  "out-of-memory": ["oom"],
};

/** Where an old nix says less. nixos-anywhere needs 2.16, so that this one is asked for previews only. */
const lessInOld: Record<string, FailureKind> = {
  throw: "nix-error", // The message, and not a word more.
  "bad-name": "nix-error",
  "missing-argument": "evaluation",
  "unexpected-argument": "evaluation",
  "input-not-listed": "evaluation",
  "input-missing-path": "evaluation",
  "flake-expr": "evaluation",
  "other-owner": "evaluation",
  "lock-bad-hash": "missing-host",
  "wrong-features": "failed-builder",
};

const folder = join(repository, "test/fixtures/nix");
const versions = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name): { nix: string; outputs: Record<string, string[]> } =>
    JSON.parse(readFileSync(join(folder, name), "utf8")),
  );
const explained = (output: readonly string[]) =>
  explainFailure({
    phase: "kexec",
    exitCode: 1,
    signal: undefined,
    late: undefined,
    output,
    context: { host: "web-1", address: "203.0.113.9" },
  });

describe.each(versions)("nix $nix", ({ nix, outputs }) => {
  const kindOf = (name: string) =>
    (nix === "2.8.0" ? lessInOld[name] : undefined) ??
    Object.entries(kinds).find(([, names]) => names.includes(name))?.[0];

  it.each(Object.keys(outputs))("%s", (name) => {
    const { kind, message, advice } = explained(outputs[name] ?? []);
    expect(kind).toBe(kindOf(name));
    expect((message + advice).replaceAll("/srv/undefined", "")).not.toMatch(/undefined|\n|[a-z0-9]{32}/);
    expect(advice).not.toMatch(/console/);
    expect(message.length + advice.length).toBeLessThan(520);
  });
});

const of = (nix: string, name: string) => {
  const { message, advice } = explained(versions.find((each) => each.nix === nix)?.outputs[name] ?? []);
  return `${message} ${advice}`;
};

it.each([
  ["throw", "the flake stopped with a message of its own at hosts/web-1.nix:1:11: no such bot: maren."],
  ["untracked", "the flake reads hosts/bots.nix at hosts/web-1.nix:1:11, but that is not in the commit."],
  ["untracked", "git add hosts/bots.nix"],
  ["missing-attr", 'the flake uses "maron" at hosts/web-1.nix:1:41, which does not exist.'],
  ["undefined", 'the flake uses the name "lib" at hosts/web-1.nix:1:11'],
  ["no-host", 'the flake has no NixOS system for "web-1".'],
  ["json", "malformed (line 1, column 22) at hosts/web-1.nix:1:11."],
  ["syntax", "not valid Nix at hosts/web-1.nix:2:1: syntax error, unexpected end of file, expecting ';'."],
  ["mod-unknown-option", "the configuration sets services, which no imported module declares."],
  ["mod-conflict", "the option port has"],
  ["mod-throw", "the flake does not evaluate: no bot is configured."],
  ["build-fails-dep", 'the build of "bot-1.0" failed.'],
  ["wrong-system", "a build needs aarch64-linux, which"],
  ["wrong-features", "a build needs cuda, which"],
  ["fetch-derivation", "nowhere.invalid could not be reached"],
  ["oom", "on this machine"],
])("says of %s: %s", (name, words) => {
  for (const nix of ["2.26.3", "2.34.8"]) {
    expect(of(nix, name).replace(/ at \/srv\/[\w-]+\//g, " at ")).toContain(words);
  }
});

it("quotes no value of the flake, and no line that looks like a secret", () => {
  const said = (...lines: string[]) => JSON.stringify(explainNix(lines.join("\n"), "More."));
  for (const value of ['a set but found a string: "hunter2"', 'a Boolean but found a list: [ "hunter2" ]']) {
    expect(said(`error: expected ${value}`)).not.toContain("hunter2");
  }
  expect(said('error: cannot coerce a set to a string: { a = "hunter2"; }')).not.toContain("hunter2");
  const thrown = "       … while calling the 'throw' builtin";
  expect(said("error:", thrown, "       error: the password is hunter2")).not.toContain("hunter2");
  expect(said("error:", thrown, "       error: the bot is gone")).toContain("the bot is gone");
  expect(said("error: hash mismatch in file downloaded from 'https://x.example/a?key=hunter2':")).not.toContain(
    "hunter2",
  );
});

it("takes a warning, after which nix goes on, for no failure", () => {
  const offline = "warning: error: unable to download 'https://cache.nixos.org/x.narinfo': Could not resolve host (6)";
  expect(explainNix(`${offline}\nerror: attribute 'bots' missing`, "More.")?.kind).toBe("missing-attribute");
  expect(explainNix(offline, "More.")).toBeUndefined();
});

it("has a real output for every kind of nix's failures", () => {
  const seen = new Set(
    versions.flatMap(({ outputs }) => Object.values(outputs).map((output) => explained(output).kind)),
  );
  for (const { kind } of [...fetchFailures, ...evaluationFailures, ...buildFailures]) expect(seen).toContain(kind);
});
