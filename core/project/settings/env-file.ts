import { existsSync, realpathSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { endpointProblem } from "../../base/hetzner/endpoint.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import { didYouMean } from "../../base/nearest.ts";
import { type Objection, type Problem, problemJson } from "../../base/problem.ts";
import { settingOf } from "../../base/problems.ts";
import { leadsOut } from "../../base/text/inside.ts";
import type { Layout } from "../layout.ts";
import { ownFolderProblem } from "../own-folder.ts";
import { programKeys, programProblem } from "./programs.ts";

/**
 * Variables that `.clawdlets/.env` may set. The first two are upstream's. The others, except the last, point at stand-ins for
 * Hetzner, the installer and the tailnet, and are unset for the real ones. `CLAWDLETS_KEY_COPY=off` disables the copy of the keys
 * outside the work tree.
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
 * Stand-ins that decide which Hetzner and port are checked. In a shell they may be left over from an emulator, and then "closed"
 * would be true of the wrong port, and "destroyed" of the wrong Hetzner. So the environment may only repeat the file's value.
 */
export const fileDecides = ["HCLOUD_ENDPOINT", "CLAWDLETS_SSH_PORT"] as const;

/**
 * Variables that are only read from the file. `GITHUB_TOKEN` is only needed by our own commands, so it is not passed through the
 * engine; in a shell it is often a different token, of `gh`. `SOPS_AGE_KEY_FILE` is the path of the operator's age identity, written
 * by upstream's `secrets init`; in the environment it belongs to other projects, like every SOPS_AGE_*. The tailnet's credentials are
 * only needed by our own commands, too.
 */
export const fileOnlyKeys = [
  "GITHUB_TOKEN",
  "SOPS_AGE_KEY_FILE",
  "TAILSCALE_OAUTH_CLIENT_ID",
  "TAILSCALE_OAUTH_CLIENT_SECRET",
  "TAILSCALE_API_ENDPOINT",
  "HEADSCALE_API_KEY",
] as const;

export type LocalEnv = Partial<Record<(typeof envKeys)[number] | (typeof fileOnlyKeys)[number], string>>;

const allKeys = [...envKeys, ...fileOnlyKeys] as const;

/** The name of the process environment in messages; it overrides the file. */
export const theEnvironment = "the environment";

/**
 * Reads the variables from the environment first, then from the file, like upstream. Ignores a `.clawdlets` that someone else may
 * have written to, and programs that someone else could have put there or can change.
 * @param environment usually `process.env`
 * @throws UserError if others can read the file
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

/** A folder in the file's path may be a link that leads out of `.clawdlets`. */
function linkProblem(layout: Layout, path: string): Problem | undefined {
  if (!existsSync(path) || !leadsOut(relative(realpathSync(layout.dir), realpathSync(dirname(path))))) return undefined;
  return {
    code: "link-leads-out",
    subject: relative(layout.root, path),
    setting: "link",
    problem: `is reached through a link that leads out of ${relative(layout.root, layout.dir)}.`,
    fix: "Put the file itself there.",
  };
}

/**
 * The same from the file's text. Values and lines are never quoted: they may be tokens.
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
      const inFile = values.has(key) ? `has a different value in ${where}` : `is not set in ${where}`;
      problems.push({
        code: "settings-disagree",
        subject: theEnvironment,
        setting: key,
        problem: `is set in this shell, but ${inFile}, which takes precedence.`,
        fix: `Unset it (unset ${key}), or set it in that file.`,
      });
      given = undefined;
    }
    // `export HCLOUD_TOKEN=$(…)` sets an empty value if the command fails.
    if (!given?.trim()) given = undefined;
    const found = (given ?? values.get(key))?.trim();
    if (!found) continue;
    const objection = valueProblem(key, found);
    if (!objection) value[key] = found;
    else problems.push({ subject: given === undefined ? where : theEnvironment, setting: key, ...objection });
  }
  // A malformed half has been reported already.
  if (!problems.some(({ setting }) => setting?.startsWith("TAILSCALE_OAUTH_"))) {
    problems.push(...halfClient(value, where));
  }
  return { value, problems };
}

function valueProblem(key: (typeof allKeys)[number], value: string): Objection | undefined {
  if (/\p{Cc}/u.test(value)) {
    return {
      code: "invalid-value",
      problem: "contains a control character, such as a tab or a line break.",
      fix: "Type it again.",
    };
  }
  if (key === "CLAWDLETS_KEY_COPY" && value !== "on" && value !== "off") {
    return {
      code: "invalid-value",
      problem: 'allowed: "on" or "off".',
      fix: 'If it is not set, it is "on".',
    };
  }
  if (key === "HCLOUD_ENDPOINT") return endpointProblem(value);
  if (key === "TAILSCALE_API_ENDPOINT") {
    const objection = endpointProblem(value);
    return objection && { ...objection, fix: "Remove it to use https://api.tailscale.com." };
  }
  return tailnetValueProblem(key, value);
}

/** Shapes of the tailnet's credentials, and where to get them. An id or a key in the wrong place is the usual mistake. */
const tailnetShapes: Partial<Record<(typeof allKeys)[number], { shape: RegExp; allowed: string; fix: string }>> = {
  TAILSCALE_OAUTH_CLIENT_ID: {
    shape: /^[A-Za-z0-9]{4,64}$/,
    allowed: "the id of an OAuth client, letters and digits",
    fix: "Copy it from Tailscale's admin console, Settings, OAuth clients.",
  },
  TAILSCALE_OAUTH_CLIENT_SECRET: {
    shape: /^tskey-client-[\w-]{8,}$/,
    allowed: "the secret of an OAuth client, tskey-client-…",
    fix: "Make a client with the scopes auth_keys and devices:core in Tailscale's admin console, Settings, OAuth clients.",
  },
  HEADSCALE_API_KEY: {
    shape: /^hskey-api-[\w-]{8,}$/,
    allowed: "an API key of headscale, hskey-api-…",
    fix: "Make one on the control server: headscale apikeys create",
  },
};

/** The value is not shown: it may be a real token in the wrong place. */
function tailnetValueProblem(key: (typeof allKeys)[number], value: string): Objection | undefined {
  const expected = tailnetShapes[key];
  if (!expected || expected.shape.test(value)) return undefined;
  const problem = `is malformed (${value.length} characters, not shown); allowed: ${expected.allowed}.`;
  return { code: "invalid-value", problem, fix: expected.fix };
}

/** An OAuth client needs both halves. */
function halfClient(value: LocalEnv, where: string): Problem[] {
  const [id, secret] = ["TAILSCALE_OAUTH_CLIENT_ID", "TAILSCALE_OAUTH_CLIENT_SECRET"] as const;
  if ((value[id] === undefined) === (value[secret] === undefined)) return [];
  const [there, missing] = value[id] === undefined ? [secret, id] : [id, secret];
  const problem = `missing, although ${there} is set.`;
  return [{ code: "missing-setting", subject: where, setting: missing, problem, fix: "Set both of them, or neither." }];
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
        problem: 'is not of the form NAME=value; allowed: NAME=value or NAME="value", and lines that start with "#".',
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
 * Parses one line like dotenv and Node's util.parseEnv. Those silently skip lines they cannot parse, or join them with the next
 * line, so that one stray word above a token makes the token "missing".
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

/** The `.env` that `clawdlets init` writes, with mode 0600: explains each variable and sets none. */
export function envFileTemplate(): string {
  return `# Tokens of this machine. Never commit this file, and keep it readable only by you (mode 0600): otherwise it is refused.
# Environment variables of the same name override these lines, but not GITHUB_TOKEN and the tailnet's.

# Hetzner Cloud, read and write, 64 characters: https://console.hetzner.cloud, your project, Security, API tokens.
# Required to change something, but not to preview.
# HCLOUD_TOKEN=

# Only for a private flake: a fine-grained token for that repository, with the permission "Contents: read-only".
# https://github.com/settings/personal-access-tokens/new
# GITHUB_TOKEN=

# Only to have each host's key for the tailnet made for you (docs/tailnet.md): an OAuth client of Tailscale with the
# scopes auth_keys and devices:core, or an API key of headscale.
# TAILSCALE_OAUTH_CLIENT_ID=
# TAILSCALE_OAUTH_CLIENT_SECRET=
# HEADSCALE_API_KEY=

# Only if nix is not on PATH, e.g. /nix/var/nix/profiles/default/bin/nix.
# NIX_BIN=
`;
}

/**
 * Checks a Hetzner token. Tokens have 64 characters; the provider refuses any other length (seen in kube-hetzner PR 2127).
 * @param where the token was read: {@link theEnvironment}, or the file's name
 */
export function tokenProblem(token: string | undefined, where: string): Problem | undefined {
  const setting = "HCLOUD_TOKEN";
  const next = "Create one with read and write access in the Hetzner console (project, Security, API tokens)";
  if (!token)
    return {
      code: "missing-setting",
      subject: where,
      setting,
      problem: "missing, and not set in the environment either.",
      fix: `${next} and add it there.`,
    };
  if (!/^[A-Za-z0-9]{64}$/.test(token)) {
    // The value is not shown: a mistyped token still reveals most of the real one.
    const unset =
      where === theEnvironment ? "It overrides .clawdlets/.env: unset HCLOUD_TOKEN, or set the right one. " : "";
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
