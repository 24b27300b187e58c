import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";
import { refusalOf } from "./_clawdlets.ts";

const { scripts } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));

/** Of the reader's system: we only check that the shell can parse them. */
const ordinary = [
  ...[
    "age",
    "cat",
    "cd",
    "chmod",
    "curl",
    "echo",
    "export",
    "eval",
    "find",
    "jq",
    "journalctl",
    "ls",
    "mail",
    "mv",
    "mkdir",
    "pass",
    "rm",
  ],
  ...["sed", "tailscale", "tar", "ssh-keygen", "$"],
];

/** Subcommands of npm and git, as opposed to our scripts. */
const known: Readonly<Record<string, readonly string[]>> = {
  npm: ["ci", "install", "pack", "sbom"],
  git: ["add", "clone", "commit", "config", "init", "pull", "push"],
  nix: ["flake", "fmt"],
  // Run by test/engine/adopt-tofu.test.ts.
  tofu: ["state pull", "state rm"],
};

type Check = (args: string[]) => Promise<string | undefined> | string | undefined;

const existing = (file: string | undefined) =>
  file !== undefined && existsSync(join(repository, file)) ? undefined : `there is no ${file}`;

const checks: Readonly<Record<string, Check>> = {
  clawdlets: (args) => refusalOf(args),
  npx: ([flag, program = "", ...args]) => {
    if (flag !== "--no-install") return "use --no-install, so that nothing is downloaded";
    if (program === "clawdlets") return refusalOf(args);
    return program === "vitest" ? testsOf(args) : `npx --no-install ${program} is not known`;
  },
  npm: ([verb = "", ...args]) => {
    const script = verb === "run" ? (args[0] ?? "") : verb;
    if (verb === "test" || script === "test") return args[0] === "--" ? testsOf(args.slice(1)) : undefined;
    if (script === "start") return refusalOf(["demo", ...args.filter((each) => each !== "--")]);
    return script in scripts || known["npm"]?.includes(verb) ? undefined : `package.json has no script "${script}"`;
  },
  pulumi: (args) => pulumiRefusal(args),
  git: ([verb = "", ...args]) => {
    if (!known["git"]?.includes(verb)) return `git ${verb} is not known`;
    return args[0] === "core.hooksPath" ? existing(args[1]) : undefined;
  },
  nix: ([verb = ""]) => (known["nix"]?.includes(verb) ? undefined : `nix ${verb} is not known`),
  sh: ([file]) => existing(file),
  tofu: (args) => {
    const verb = args
      .filter((arg) => !arg.startsWith("-"))
      .slice(0, 2)
      .join(" ");
    return known["tofu"]?.includes(verb) ? undefined : `tofu ${verb} is not known`;
  },
  sudo: consoleRefusal,
};

/** On a host, by root at its console. What admin may do is held to the real list: see {@link sudoProblem}. */
const atTheConsole = ["systemctl", "journalctl", "tailscale", "nixos-rebuild"];

function consoleRefusal([program = "", ...args]: readonly string[]): string | undefined {
  if (program === "-n") return args.length > 0 ? undefined : "sudo -n what?";
  return atTheConsole.includes(program) ? undefined : `nothing here knows how to check "sudo ${program}"`;
}

/**
 * Whether a command line is one of those that admin may run as root.
 * @param rules of nix/lib/sudoers.nix, as sudo reads them: `""` for no arguments, `^…$` for a regular expression
 */
export function sudoProblem([program = "", ...args]: readonly string[], rules: readonly string[]): string | undefined {
  const allowed = rules.some((rule) => {
    const [, path, rest = ""] = /^(\S+) ?(.*)$/.exec(rule) ?? [];
    if (path !== program) return false;
    if (rest.startsWith("^")) return new RegExp(rest).test(args.join(" "));
    return args.join(" ") === (rest === '""' ? "" : rest);
  });
  return allowed ? undefined : `admin may not run ${[program, ...args].join(" ")}`;
}

/** A filter of vitest's that would find no test passes silently. */
function testsOf(args: readonly string[]): string | undefined {
  const filters = args.filter((arg, index) => !arg.startsWith("-") && args[index - 1] !== "-t" && arg !== "run");
  const files = readdirSync(join(repository, "test"), { recursive: true, encoding: "utf8" });
  const tests = files.filter((file) => file.endsWith(".test.ts")).map((file) => `test/${file}`);
  const lost = filters.find((filter) => !tests.some((test) => test.includes(filter)));
  return lost === undefined ? undefined : `no test has "${lost}" in its name`;
}

const helps = new Map<string, Promise<string>>();

/** Commands of the engine that have commands of their own. */
const groups = ["config", "package", "plugin", "stack"];

/** The engine's own `--help` of a command names its options. */
async function pulumiRefusal(args: readonly string[]): Promise<string | undefined> {
  const words = args.filter((arg) => !arg.startsWith("-"));
  const path = words.slice(0, groups.includes(words[0] ?? "") ? 2 : 1);
  const name = path.join(" ");
  if (!helps.has(name)) helps.set(name, pulumiHelp(path));
  const help = (await helps.get(name)) ?? "";
  const last = path.at(-1) ?? "";
  const named =
    help.includes(`Usage:\n  pulumi ${name}`) ||
    (/\nAliases:\n(.*)\n/.exec(help)?.[1] ?? "").split(/[\s,]+/).includes(last);
  if (!named) return `the engine has no "pulumi ${name}"`;
  const unknown = args.filter((arg) => arg.startsWith("--") && !help.includes(` ${arg.split("=")[0]} `));
  return unknown.length === 0 ? undefined : `pulumi ${name} has no ${unknown.join(", ")}`;
}

async function pulumiHelp(path: readonly string[]): Promise<string> {
  const engine = findEngine(repository);
  if (!engine) throw new Error("no engine: sh scripts/setup.sh");
  const { all } = await execa(engine.pulumi, [...path, "--help"], { all: true, reject: false });
  return all;
}

/** @returns what is wrong with a command line; a program that nobody has said how to check is wrong */
export async function commandProblem([program = "", ...args]: readonly string[]): Promise<string | undefined> {
  const check = Object.hasOwn(checks, program) ? checks[program] : undefined;
  if (check) return check(args);
  return ordinary.includes(program) ? undefined : `nothing here knows how to check "${program}"`;
}
