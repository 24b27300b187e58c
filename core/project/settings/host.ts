import { homedir } from "node:os";
import { relative, resolve } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { hetznerEndpoint } from "../../base/hetzner/endpoint.ts";
import { didYouMean } from "../../base/nearest.ts";
import { isSameProblem, type Problem } from "../../base/problem.ts";
import { quoted } from "../../base/wording.ts";
import { uselessReason } from "../firewall/useless-networks.ts";
import type { Layout } from "../layout.ts";
import { ownFolderProblem } from "../own-folder.ts";
import { readEnvFile, tokenProblem } from "./env-file.ts";
import type { StackConfig } from "./stack-config.ts";
import { readStackFile } from "./stack-file.ts";
import { hostEntry, readStackJson, type StackHost, type StackJson } from "./stack-json.ts";

/** The public half: what a preview anywhere knows. */
export interface HostSettings extends StackConfig {
  /** Name of the host: of its server, its stack file and its place in `.clawdlets/`. */
  host: string;
  /** Its attribute in the flake's `nixosConfigurations`. */
  flakeHost: string;
}

/** The local half: what only the operator's machine knows. */
export interface LocalSettings {
  /** Networks the bootstrap window is opened for. */
  adminCidrs: string[];
  /** Absolute path of the operator's public key. */
  sshPubkeyFile: string;
  /** Absolute folder of the sops files. */
  secretsDir: string;
  /** Absolute folder on the host. */
  remoteSecretsDir: string;
  flake: string | undefined;
  /** The commit, branch or tag that was asked for by hand, for this run alone. */
  wanted: WantedRevision;
  token: string;
  /** `https://api.hetzner.cloud/v1` unless HCLOUD_ENDPOINT says otherwise. */
  endpoint: string;
  /** 22, or its stand-in on the emulator. */
  sshPort: number;
  githubToken: string | undefined;
  /** Path of nixos-anywhere, where one was named. */
  nixosAnywhere: string | undefined;
  nix: string;
  tailscale: string;
}

/** A commit, or a branch or tag; it goes before what the flake's URI says. */
export interface WantedRevision {
  /** 40 hex digits. */
  rev?: string | undefined;
  ref?: string | undefined;
}

/** How `--rev` and `--ref` reach the installation through the engine. Not read from `.env`: they are for one run. */
const wantedKeys = { rev: "CLAWDLETS_FLAKE_REV", ref: "CLAWDLETS_FLAKE_REF" } as const;

/** @returns what {@link readLocal} reads the revision from */
export function wantedEnvironment({ rev, ref }: WantedRevision): Record<string, string> {
  return {
    ...(rev !== undefined && { [wantedKeys.rev]: rev }),
    ...(ref !== undefined && { [wantedKeys.ref]: ref }),
  };
}

export { hetznerEndpoint } from "../../base/hetzner/endpoint.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Both halves from the files, without the engine.
 * @param needs `token: false` for what asks Hetzner nothing; `local.token` may then be empty
 * @throws SettingsError with everything that is wrong at once
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
 * Whether the window that an installation opens is left open after it, on purpose, until `clawdlets lockdown`.
 * Everything that closes a window by itself asks this first; a failed or stopped installation closes it all the same.
 */
export function keepsWindow({ sshExposure }: Pick<HostSettings, "sshExposure">): boolean {
  return sshExposure === "bootstrap";
}

export function completeSettings(host: string, config: StackConfig): HostSettings {
  return { ...config, host, flakeHost: config.flakeHost ?? host };
}

/** The local half, checked against the public one. */
export function readLocal(
  layout: Layout,
  host: string,
  environment: Environment,
  config?: StackConfig,
  needs: { token: boolean } = { token: true },
): { value?: LocalSettings; problems: Problem[] } {
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
    // A refused folder is said once, by stack.json's reader.
    ...env.problems.filter((problem) => !stackJson.problems.some((each) => isSameProblem(each, problem))),
    ...(token && !folderRefused ? [token] : []),
    ...portProblems(sshPort, env.value.CLAWDLETS_SSH_PORT, env.where),
    ...entry.problems,
    ...(entry.value ? adminProblems(host, entry.value, env.value.HCLOUD_ENDPOINT, where) : []),
    ...(entry.value && config ? disagreements(host, entry.value, config, where) : []),
  ];
  if (problems.length > 0 || !entry.value) return { problems };
  return {
    problems,
    value: {
      adminCidrs: [entry.value.opentofu.adminCidr],
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
          fix: `Make it: clawdlets init --host ${host}`,
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

/** Two files name the same thing; where they differ, guessing which one is meant would build the wrong host. */
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

/** Only an emulated Hetzner is reached from this machine's own network. */
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

/** Number() would take 0x16, 2.2e1 and 22.0 too. */
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

/** `~/`, `$HOME/` and `${HOME}/` as upstream expands them. */
export function expandHome(path: string, environment: Environment): string {
  return path.trim().replace(/^(~|\$HOME|\$\{HOME\})(?=\/)/, () => environment["HOME"] || homedir());
}
