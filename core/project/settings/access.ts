import { resolve } from "node:path";
import { objectionOf, SettingsError } from "../../base/errors.ts";
import type { Problem } from "../../base/problem.ts";
import type { Layout } from "../layout.ts";
import { refuseForeignFolder } from "../own-folder.ts";
import { type LocalEnv, parseEnvFile, readEnvFile, theEnvironment, tokenProblem } from "./env-file.ts";
import { expandHome, hetznerEndpoint, type LocalSettings } from "./host.ts";
import { hostEntry, readStackJson } from "./stack-json.ts";

/**
 * What it takes to close a port and to look at it: the way to Hetzner and, where stack.json can be read, to the host.
 * Needs no stack file, and nothing but a token that is right.
 */
export interface Access extends Pick<LocalSettings, "token" | "endpoint" | "sshPort" | "tailscale"> {
  /** Undefined where stack.json does not say. */
  adminCidrs: string[] | undefined;
  sshPubkeyFile: string | undefined;
  /** What was wrong on the way and did not matter. */
  problems: Problem[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws UserError only when there is no token to ask Hetzner with, or `.clawdlets` is somebody else's */
export function readAccess(layout: Layout, host: string, environment: Environment): Access {
  refuseForeignFolder(layout);
  const stackJson = tried(() => readStackJson(layout));
  const env = tried(() => readEnvFile(layout, environment, stackJson.value?.value?.envFile));
  // A .env that cannot be used leaves the environment.
  const value: LocalEnv = env.value?.value ?? parseEnvFile("", theEnvironment, environment).value;
  const token = tokenProblem(value.HCLOUD_TOKEN, env.value?.tokenFrom ?? theEnvironment);
  const problems = [...stackJson.problems, ...(stackJson.value?.problems ?? [])];
  problems.push(...env.problems, ...(env.value?.problems ?? []));
  if (token) throw new SettingsError([token, ...problems]);
  const entry = stackJson.value?.value && hostEntry(stackJson.value.value, host);
  const port = /^[0-9]{1,5}$/.test(value.CLAWDLETS_SSH_PORT ?? "") ? Number(value.CLAWDLETS_SSH_PORT) : 22;
  return {
    token: value.HCLOUD_TOKEN ?? "",
    endpoint: value.HCLOUD_ENDPOINT ?? hetznerEndpoint,
    sshPort: port,
    tailscale: value.CLAWDLETS_TAILSCALE ?? "tailscale",
    adminCidrs: entry && [entry.opentofu.adminCidr],
    sshPubkeyFile: entry && resolve(layout.root, expandHome(entry.opentofu.sshPubkeyFile, environment)),
    problems,
  };
}

/** The same from settings that were read whole. */
export function accessOf(local: LocalSettings): Access {
  const { token, endpoint, sshPort, tailscale, adminCidrs, sshPubkeyFile } = local;
  return { token, endpoint, sshPort, tailscale, adminCidrs, sshPubkeyFile, problems: [] };
}

function tried<T>(read: () => T): { value?: T; problems: Problem[] } {
  try {
    return { value: read(), problems: [] };
  } catch (error) {
    return { problems: [{ subject: ".clawdlets", ...objectionOf(error, "file-unreadable") }] };
  }
}
