import { resolve } from "node:path";
import { objectionOf, SettingsError } from "../../base/errors.ts";
import type { Environment } from "../../base/machine/environment.ts";
import type { Problem } from "../../base/problem.ts";
import type { Layout } from "../layout.ts";
import { refuseForeignFolder } from "../own-folder.ts";
import { type LocalEnv, parseEnvFile, readEnvFile, theEnvironment, tokenProblem } from "./env-file.ts";
import { expandHome, hetznerEndpoint, type LocalSettings } from "./host.ts";
import { hostEntry, readStackJson } from "./stack-json/stack-json.ts";

/**
 * What is needed to close a port and check it: access to Hetzner and, if stack.json can be read, to the host.
 * Only needs a valid token, and no stack file.
 */
export interface Access extends Pick<LocalSettings, "token" | "endpoint" | "sshPort" | "tailscale"> {
  /** Undefined if stack.json is missing or broken. */
  adminCidrs: string[] | undefined;
  sshPubkeyFile: string | undefined;
  /** Problems that were found on the way but do not matter here. */
  problems: Problem[];
}

/** @throws UserError only if there is no valid token, or someone else may have written to `.clawdlets` */
export function readAccess(layout: Layout, host: string, environment: Environment): Access {
  refuseForeignFolder(layout);
  const stackJson = tried(() => readStackJson(layout));
  const env = tried(() => readEnvFile(layout, environment, stackJson.value?.value?.envFile));
  // Without a usable .env, only the environment counts.
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

/** The same from complete settings. */
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
