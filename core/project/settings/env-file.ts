import { existsSync, realpathSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { endpointProblem } from "../../base/hetzner/endpoint.ts";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import { didYouMean } from "../../base/nearest.ts";
import { type Objection, type Problem, problemJson } from "../../base/problem.ts";
import { settingOf } from "../../base/problems.ts";
import { leadsOut } from "../../base/text/inside.ts";
import type { Layout } from "../layout.ts";
import { ownFolderProblem } from "../own-folder.ts";
import { programKeys, programProblem } from "./programs.ts";

/**
 * What `.clawdlets/.env` may say. The first two are upstream's; the next ones point at stand-ins for the
 * real Hetzner, installer and tailnet, and are left out where the real ones are meant; `CLAWDLETS_KEY_COPY=off` keeps no copy of the
 * keys outside of the work tree.
 */
export const envKeys = [
  "HCLOUD_TOKEN",
  "NIX_BIN",
  "HCLOUD_ENDPOINT",
  "CLAWDLETS_SSH_PORT",
  "CLAWDLETS_NIXOS_ANYWHERE",
  "CLAWDLETS_TAILSCALE",
  "CLAWDLETS_KEY_COPY",
] as const;

/**
 * Stand-ins that decide what is looked at: in a shell they are left over from an emulator, and "closed" would be seen on another
 * port, "destroyed" be said by another Hetzner. So the environment may only repeat what the file says.
 */
export const fileDecides = ["HCLOUD_ENDPOINT", "CLAWDLETS_SSH_PORT"] as const;

/**
 * What is taken from the file alone. `GITHUB_TOKEN` is needed inside the engine by our own commands only, so it is not handed
 * through it; in a shell it is often another one, of `gh`. `SOPS_AGE_KEY_FILE` is the path of the operator's age identity, as upstream's
 * `secrets init` leaves it there. In the environment it belongs to other projects, as every SOPS_AGE_* does.
 */
export const fileOnlyKeys = ["GITHUB_TOKEN", "SOPS_AGE_KEY_FILE"] as const;

export type LocalEnv = Partial<Record<(typeof envKeys)[number] | (typeof fileOnlyKeys)[number], string>>;

type Environment = Readonly<Record<string, string | undefined>>;

const allKeys = [...envKeys, ...fileOnlyKeys] as const;

/** How messages call what stands in the shell, which goes before the file. */
export const theEnvironment = "the environment";

/**
 * The tokens: the process's own environment first, then the file, as upstream does. Nothing is taken from a `.clawdlets` that is
 * somebody else's, and no program that somebody else could have put there or can change.
 * @param environment usually `process.env`
 * @throws UserError when the file is readable by others
 */
export function readEnvFile(
  layout: Layout,
  environment: Environment,
  envFile = ".env",
): { value: LocalEnv; where: string; tokenFrom: string; problems: Problem[] } {
  const path = resolve(layout.dir, envFile);
  const where = relative(layout.root, path);
  const folder = ownFolderProblem(layout) ?? linkProblem(layout, path);
  const text = folder ? "" : (readPrivateFile(path) ?? "");
  const { value, problems } = parseEnvFile(text, where, environment);
  if (folder) problems.unshift(problemJson(folder));
  for (const key of Object.keys(programKeys) as (keyof typeof programKeys)[]) {
    const named = value[key];
    const objection = named === undefined ? undefined : programProblem(layout, key, named);
    if (!objection) continue;
    delete value[key];
    problems.push({ subject: environment[key]?.trim() ? theEnvironment : where, setting: key, ...objection });
  }
  const tokenFrom = environment["HCLOUD_TOKEN"]?.trim() ? theEnvironment : where;
  return { value, where, tokenFrom, problems };
}

/** A folder on the way to the file may be a link, which hygiene finds too, later. */
function linkProblem(layout: Layout, path: string): Problem | undefined {
  if (!existsSync(path) || !leadsOut(relative(realpathSync(layout.dir), realpathSync(dirname(path))))) return undefined;
  return {
    code: "link-leads-out",
    subject: relative(layout.root, path),
    setting: "link",
    problem: `is behind a link that leads out of ${relative(layout.root, layout.dir)}.`,
    fix: "Put the file itself there.",
  };
}

/**
 * The same from the file's text. No value and no line is ever quoted: it may be a token.
 * @param where the file's name, for the messages
 */
export function parseEnvFile(
  text: string,
  where: string,
  environment: Environment = {},
): { value: LocalEnv; problems: Problem[] } {
  const { values, problems } = readLines(text, where);
  const value: LocalEnv = {};
  for (const key of allKeys) {
    let given = envKeys.some((each) => each === key) ? environment[key] : undefined;
    if (fileDecides.some((each) => each === key) && given?.trim() && given.trim() !== values.get(key)?.trim()) {
      const inFile = values.has(key) ? `has another value in ${where}` : `is not set in ${where}`;
      problems.push({
        code: "settings-disagree",
        subject: theEnvironment,
        setting: key,
        problem: `is set in this shell and ${inFile}, which decides.`,
        fix: `Unset it (unset ${key}), or write it into that file.`,
      });
      given = undefined;
    }
    // Empty is what `export HCLOUD_TOKEN=$(…)` leaves where the command failed.
    if (!given?.trim()) given = undefined;
    const found = (given ?? values.get(key))?.trim();
    if (!found) continue;
    const objection = valueProblem(key, found);
    if (!objection) value[key] = found;
    else problems.push({ subject: given === undefined ? where : theEnvironment, setting: key, ...objection });
  }
  return { value, problems };
}

function valueProblem(key: (typeof allKeys)[number], value: string): Objection | undefined {
  if (/\p{Cc}/u.test(value)) {
    return {
      code: "invalid-value",
      problem: "contains a control character, such as a tab or the end of a line.",
      fix: "Type it again.",
    };
  }
  if (key === "CLAWDLETS_KEY_COPY" && value !== "on" && value !== "off") {
    return {
      code: "invalid-value",
      problem: 'allowed: "on" or "off".',
      fix: 'Anything else, or no such line, means "on".',
    };
  }
  return key === "HCLOUD_ENDPOINT" ? endpointProblem(value) : undefined;
}

function readLines(text: string, where: string): { values: Map<string, string>; problems: Problem[] } {
  const values = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const entry = parseLine(line);
    if (!entry) {
      problems.push({
        code: "invalid-syntax",
        subject: where,
        setting: `line ${index + 1}`,
        at: { file: where, line: index + 1 },
        problem: 'is not a NAME=value; allowed: NAME=value or NAME="value", and lines that begin with "#".',
      });
    } else if (allKeys.some((each) => each === entry.key)) {
      values.set(entry.key, entry.value);
    } else {
      problems.push({
        code: "unknown-setting",
        subject: where,
        setting: settingOf([entry.key]),
        at: { file: where, line: index + 1 },
        problem: `unknown variable${didYouMean(entry.key, allKeys)}.`,
        fix: "Remove it or fix its name.",
      });
    }
  }
  return { values, problems };
}

/**
 * One line as dotenv and Node's util.parseEnv read it. Those two take what they cannot read for a part of the next line
 * or of nothing, so that one stray word above a token makes the token "missing".
 */
function parseLine(line: string): { key: string; value: string } | undefined {
  const equals = line.indexOf("=");
  const key = line
    .slice(0, Math.max(0, equals))
    .trim()
    .replace(/^export\s+/, "");
  if (!/^[\w.-]+$/.test(key)) return undefined;
  const rest = line.slice(equals + 1).trim();
  const quote = rest.charAt(0);
  if (!["'", '"', "`"].includes(quote)) return { key, value: rest.replace(/#[\s\S]*$/, "").trim() };
  const end = rest.indexOf(quote, 1);
  if (end < 0 || !/^\s*(#|$)/.test(rest.slice(end + 1))) return undefined;
  const value = rest.slice(1, end);
  return { key, value: quote === '"' ? value.replaceAll("\\n", "\n") : value };
}

/** The `.env` that `clawdlets init` writes, with mode 0600: every variable with the way to it, and none set. */
export function envFileTemplate(): string {
  return `# Tokens of this machine. Never in git, and readable by you alone (mode 0600), or it is refused.
# A variable of the same name in the environment wins over a line here, but for GITHUB_TOKEN.

# Hetzner Cloud, read and write, 64 characters: https://console.hetzner.cloud, your project, Security, API tokens.
# Needed to change something, not to preview.
# HCLOUD_TOKEN=

# Only for a private flake: a fine-grained token for that one repository, with the permission "Contents: read-only".
# https://github.com/settings/personal-access-tokens/new
# GITHUB_TOKEN=

# Only for a nix that is not on PATH, e.g. /nix/var/nix/profiles/default/bin/nix.
# NIX_BIN=
`;
}

/** @param where what the token was read from: {@link theEnvironment}, or the file's name. Hetzner's tokens have 64 characters; the provider refuses any other length (seen in kube-hetzner PR 2127). */
export function tokenProblem(token: string | undefined, where: string): Problem | undefined {
  const setting = "HCLOUD_TOKEN";
  const next = "Make one with read and write access in the Hetzner console (project, Security, API tokens)";
  if (!token)
    return {
      code: "missing-setting",
      subject: where,
      setting,
      problem: "missing, in the environment too.",
      fix: `${next} and put it there.`,
    };
  if (!/^[A-Za-z0-9]{64}$/.test(token)) {
    // The value itself is not shown: a mistyped token is still most of a token.
    const unset =
      where === theEnvironment ? "It goes before .clawdlets/.env: unset HCLOUD_TOKEN, or set the right one. " : "";
    return {
      code: "invalid-value",
      subject: where,
      setting,
      problem: `has ${token.length} characters; allowed: 64 letters and digits.`,
      fix: `${unset}${next}.`,
    };
  }
  return undefined;
}
