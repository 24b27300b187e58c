import { homedir } from "node:os";
import { relative, resolve } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { hetznerEndpoint } from "../../base/hetzner/endpoint.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { didYouMean } from "../../base/nearest.ts";
import { isSameProblem, type Problem } from "../../base/problem.ts";
import { tailscaleEndpoint } from "../../base/tailnet/api.ts";
import type { TailnetCredentials } from "../../base/tailnet/types.ts";
import { quoted } from "../../base/wording.ts";
import { uselessReason } from "../firewall/useless-networks.ts";
import type { Layout } from "../layout.ts";
import { ownFolderProblem } from "../own-folder.ts";
import { type LocalEnv, readEnvFile, tokenProblem } from "./env-file.ts";
import { exampleKeyProblems } from "./example-stack.ts";
import { adminIpv6Problems } from "./server/ipv6-only.ts";
import type { StackConfig } from "./stack-config/stack-config.ts";
import { readStackFile } from "./stack-file.ts";
import { hostEntry, readStackJson, type StackHost, type StackJson } from "./stack-json/stack-json.ts";

/** The public half of the settings: all that a preview needs, on any machine. */
export interface HostSettings extends Omit<StackConfig, "location"> {
  /** Name of the host, and of its server, stack file and folder in `.clawdlets/`. */
  host: string;
  /** Its attribute in the flake's `nixosConfigurations`. */
  flakeHost: string;
  /** The location that is declared, or the first of a list. */
  location: string;
  /** Where a new server may be ordered; undefined if one location is declared. */
  locations?: string[];
}

/** The local half: settings that are only on the operator's machine. */
export interface LocalSettings {
  /** Networks the bootstrap window is opened for. */
  adminCidrs: string[];
  /** The ssh destination that is tried last. */
  targetHost: string | undefined;
  /** Absolute path of the operator's public key. */
  sshPubkeyFile: string;
  /** Absolute folder of the sops files. */
  secretsDir: string;
  /** Absolute folder on the host. */
  remoteSecretsDir: string;
  flake: string | undefined;
  /** The commit, branch or tag given with `--rev` or `--ref`, for this run only. */
  wanted: WantedRevision;
  token: string;
  /** `https://api.hetzner.cloud/v1` unless HCLOUD_ENDPOINT says otherwise. */
  endpoint: string;
  /** 22, or its stand-in on the emulator. */
  sshPort: number;
  githubToken: string | undefined;
  /** Path of nixos-anywhere, if set. */
  nixosAnywhere: string | undefined;
  nix: string;
  tailscale: string;
  /** Undefined: nothing is minted, and the secret `tailscale_auth_key` is the key that the host joins with. */
  tailnetApi?: TailnetCredentials;
}

/** A commit, branch or tag that overrides the flake's URI. */
export interface WantedRevision {
  /** 40 hex digits. */
  rev?: string | undefined;
  ref?: string | undefined;
}

/** Variables that pass `--rev` and `--ref` through the engine to the installation. Not read from `.env`, since they are for one run. */
const wantedKeys = { rev: "CLAWDLETS_FLAKE_REV", ref: "CLAWDLETS_FLAKE_REF" } as const;

/** @returns the environment from which {@link readLocal} reads the revision */
export function wantedEnvironment({ rev, ref }: WantedRevision): Record<string, string> {
  return {
    ...(rev !== undefined && { [wantedKeys.rev]: rev }),
    ...(ref !== undefined && { [wantedKeys.ref]: ref }),
  };
}

export { hetznerEndpoint } from "../../base/hetzner/endpoint.ts";

/**
 * Reads both halves from the files, without the engine.
 * @param needs `token: false` for commands that do not call Hetzner; `local.token` may then be empty
 * @throws SettingsError with all problems at once
 */
export function loadHost(
  layout: Layout,
  host: string,
  environment: Environment,
  needs: { token: boolean } = { token: true },
): { settings: HostSettings; local: LocalSettings } {
  const stack = readStackFile(layout, host);
  const settings = stack.value && completeSettings(host, stack.value);
  const local = readLocal(layout, host, environment, stack.value, needs);
  const problems = [...stack.problems, ...local.problems];
  if (problems.length > 0 || !settings || !local.value) throw new SettingsError(problems);
  return { settings, local: local.value };
}

/**
 * True if the SSH window of an installation stays open afterwards, on purpose, until `clawdlets lockdown`.
 * Everything that closes a window automatically checks this first; a failed or stopped installation closes it anyway.
 */
export function keepsWindow({ sshExposure }: Pick<HostSettings, "sshExposure">): boolean {
  return sshExposure === "bootstrap";
}

/** True if the host joins a tailnet: with `headscale` as well, its client is Tailscale's. */
export function hasTailnet({ tailnet }: Pick<HostSettings, "tailnet">): boolean {
  return tailnet !== "none";
}

/** The credentials for the API of this host's tailnet, if `.env` has them. */
export function credentialsFor(
  { tailnet, tailnetLoginServer }: Pick<HostSettings, "tailnet" | "tailnetLoginServer">,
  env: LocalEnv,
): TailnetCredentials | undefined {
  const { TAILSCALE_OAUTH_CLIENT_ID: clientId, TAILSCALE_OAUTH_CLIENT_SECRET: clientSecret } = env;
  const apiKey = env.HEADSCALE_API_KEY;
  if (tailnet === "headscale" && tailnetLoginServer !== undefined && apiKey !== undefined) {
    return { service: "headscale", endpoint: tailnetLoginServer, apiKey };
  }
  // A control server of one's own has nothing to do with the client at Tailscale.
  if (tailnet !== "tailscale" || tailnetLoginServer !== undefined) return undefined;
  if (clientId === undefined || clientSecret === undefined) return undefined;
  const endpoint = env.TAILSCALE_API_ENDPOINT ?? tailscaleEndpoint;
  return { service: "Tailscale", endpoint, clientId, clientSecret };
}

export function completeSettings(host: string, config: StackConfig): HostSettings {
  const { location, ...rest } = config;
  const locations = Array.isArray(location) ? location : undefined;
  const [first = ""] = locations ?? [location as string];
  return { ...rest, host, flakeHost: config.flakeHost ?? host, location: first, ...(locations && { locations }) };
}

/**
 * Reads the local half and checks it against the public one.
 * @param needs `agreement: false` for a preview of settings that the next update writes to both files
 */
export function readLocal(
  layout: Layout,
  host: string,
  environment: Environment,
  config?: StackConfig,
  needs: { token: boolean; agreement?: boolean } = { token: true },
): { value?: LocalSettings; problems: Problem[] } {
  // Whatever else is missing has the same next step.
  const unmade = config ? exampleKeyProblems(host, config) : [];
  if (unmade.length > 0) return { problems: unmade };
  const where = relative(layout.root, layout.stackJson);
  const stackJson = readStackJson(layout);
  const env = readEnvFile(layout, environment, stackJson.value?.envFile);
  const sshPort = portOf(env.value.CLAWDLETS_SSH_PORT ?? "22");
  const folderRefused = ownFolderProblem(layout) !== undefined;
  const token = needs.token ? tokenProblem(env.value.HCLOUD_TOKEN, env.tokenFrom) : undefined;
  const entry = stackJson.value
    ? entryOf(stackJson.value, host, where)
    : { value: undefined, problems: missingOr(stackJson.problems, host, where) };
  const problems = [
    // A refused folder is reported only once, by the reader of stack.json.
    ...env.problems.filter((problem) => !stackJson.problems.some((each) => isSameProblem(each, problem))),
    ...(token && !folderRefused ? [token] : []),
    ...portProblems(sshPort, env.value.CLAWDLETS_SSH_PORT, env.where),
    ...entry.problems,
    ...(entry.value ? adminProblems(host, entry.value, env.value.HCLOUD_ENDPOINT, where) : []),
    ...(entry.value && config && needs.agreement !== false ? disagreements(host, entry.value, config, where) : []),
    ...(entry.value && config ? adminIpv6Problems({ host, ...config }, entry.value.opentofu.adminCidr, where) : []),
  ];
  if (problems.length > 0 || !entry.value) return { problems };
  const tailnetApi = config && credentialsFor(config, env.value);
  return {
    problems,
    value: {
      adminCidrs: [entry.value.opentofu.adminCidr],
      targetHost: entry.value.targetHost,
      sshPubkeyFile: resolve(layout.root, expandHome(entry.value.opentofu.sshPubkeyFile, environment)),
      secretsDir: resolve(layout.dir, entry.value.secrets.localDir),
      remoteSecretsDir: entry.value.secrets.remoteDir,
      flake: stackJson.value?.base?.flake,
      wanted: { rev: environment[wantedKeys.rev], ref: environment[wantedKeys.ref] },
      token: env.value.HCLOUD_TOKEN ?? "",
      endpoint: env.value.HCLOUD_ENDPOINT ?? hetznerEndpoint,
      sshPort,
      githubToken: env.value.GITHUB_TOKEN,
      nixosAnywhere: env.value.CLAWDLETS_NIXOS_ANYWHERE,
      nix: env.value.NIX_BIN ?? "nix",
      tailscale: env.value.CLAWDLETS_TAILSCALE ?? "tailscale",
      ...(tailnetApi && { tailnetApi }),
    },
  };
}

function missingOr(problems: Problem[], host: string, where: string): Problem[] {
  return problems.length > 0
    ? problems
    : [
        {
          code: "file-missing",
          subject: where,
          problem: "there is no such file.",
          fix: `Create it: clawdlets init --host ${host}`,
        },
      ];
}

function entryOf(stack: StackJson, host: string, where: string): { value?: StackHost; problems: Problem[] } {
  const value = hostEntry(stack, host);
  if (value) return { value, problems: [] };
  const hosts = Object.keys(stack.hosts);
  return {
    problems: [
      {
        code: "no-such-host",
        subject: where,
        setting: `hosts.${host}`,
        problem: `no such host${didYouMean(host, hosts)}; it has ${hosts.join(", ")}.`,
        fix: `Add it: clawdlets init --host ${host}`,
      },
    ],
  };
}

/** Settings that two files have to agree on: guessing which one is right could build the wrong host. */
function disagreements(host: string, entry: StackHost, config: StackConfig, where: string): Problem[] {
  const pairs = [
    ["hetzner.serverType", entry.hetzner.serverType, "serverType", config.serverType],
    ["flakeHost", entry.flakeHost, "flakeHost", config.flakeHost ?? host],
  ] as const;
  return pairs
    .filter(([, local, , shared]) => local !== shared)
    .map(([setting, local, key, shared]) => ({
      code: "settings-disagree",
      subject: where,
      setting: `hosts.${host}.${setting}`,
      problem: `is "${local}", but clawdlets:${key} in stacks/Pulumi.${host}.yaml is "${shared}".`,
      fix: "Make them the same.",
    }));
}

/** Loopback networks only make sense with an emulated Hetzner. */
function adminProblems(host: string, entry: StackHost, endpoint = hetznerEndpoint, where: string): Problem[] {
  const { adminCidr } = entry.opentofu;
  const reason = endpoint === hetznerEndpoint ? uselessReason(adminCidr, ["loopback"]) : undefined;
  if (reason === undefined) return [];
  return [
    {
      code: "invalid-value",
      subject: where,
      setting: `hosts.${host}.opentofu.adminCidr`,
      problem: `"${adminCidr}" ${reason}.`,
    },
  ];
}

/** Number() would also accept 0x16, 2.2e1 and 22.0. */
function portOf(text: string): number {
  return /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
}

function portProblems(port: number, text: string | undefined, where: string): Problem[] {
  if (Number.isInteger(port) && port > 0 && port < 65536) return [];
  return [
    {
      code: "invalid-value",
      subject: where,
      setting: "CLAWDLETS_SSH_PORT",
      problem: `is ${quoted(text)}; allowed: 1 to 65535.`,
      fix: "Remove it to use 22.",
    },
  ];
}

/** Expands `~/`, `$HOME/` and `${HOME}/`, like upstream. */
export function expandHome(path: string, environment: Environment): string {
  return path.trim().replace(/^(~|\$HOME|\$\{HOME\})(?=\/)/, () => environment["HOME"] || homedir());
}
