import { relative, resolve } from "node:path";
import { z } from "zod";
import { SettingsError } from "../../base/errors.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { didYouMean } from "../../base/nearest.ts";
import type { Problem } from "../../base/problem.ts";
import { withoutComment } from "../../base/text/public-key-line.ts";
import type { Layout } from "../layout.ts";
import { readEnvFile } from "../settings/env-file.ts";
import { credentialsFor, expandHome } from "../settings/host.ts";
import { readPublicKeyFile } from "../settings/public-key-file.ts";
import { checkSettings } from "../settings/stack-config/check.ts";
import { stackConfig } from "../settings/stack-config/stack-config.ts";
import { readRawStackFile } from "../settings/stack-file.ts";
import { hostEntry, readStackJson, type StackHost } from "../settings/stack-json/stack-json.ts";
import { operatorIdentityFile, readOperators } from "./keys/operators.ts";
import { planKeys, type RequiredSecret } from "./plan.ts";
import { requiredSecrets } from "./required.ts";
import { openStore, type SecretStore } from "./store.ts";

export interface SecretsOfHost {
  entry: StackHost;
  store: SecretStore;
  required: RequiredSecret[];
  /** Settings of stack.json that also belong in the stack file. */
  facts: { serverType: string; flakeHost: string; adminSshKeys?: string[] };
  /** True if `.env` has credentials to mint the host's key for the tailnet. */
  mintsKeys: boolean;
}

/**
 * Reads everything that the files say about one host's secrets. Works before all of its settings exist, since `secrets init`
 * adds the rest.
 * @throws SettingsError if stack.json has no such host, or is invalid
 */
export function openSecrets(
  layout: Layout,
  host: string,
  { environment, sops }: { environment: Environment; sops: string },
): SecretsOfHost {
  const stack = readStackJson(layout);
  const where = relative(layout.root, layout.stackJson);
  const entry = stack.value && hostEntry(stack.value, host);
  const problems: Problem[] = [...stack.problems];
  if (!entry && problems.length === 0) {
    const hosts = Object.keys(stack.value?.hosts ?? {});
    problems.push({
      code: "no-such-host",
      subject: where,
      setting: `hosts.${host}`,
      problem: `there is no such host${didYouMean(host, hosts)}.`,
      fix: `Add it: clawdlets init --host ${host}`,
    });
  }
  const planned = checkSettings(planSettings, readRawStackFile(layout, host), `stacks/Pulumi.${host}.yaml`);
  problems.push(...planned.problems);
  if (problems.length > 0 || !entry || !planned.value) throw new SettingsError(problems);
  const env = readEnvFile(layout, environment, stack.value?.envFile);
  const operatorFile = operatorIdentityFile(layout, env.value.SOPS_AGE_KEY_FILE);
  const folder = resolve(layout.dir, entry.secrets.localDir);
  const operatorKey = readPublicKeyFile(resolve(layout.root, expandHome(entry.opentofu.sshPubkeyFile, environment)));
  return {
    entry,
    store: openStore(layout, { host, folder, operatorFile, sops }),
    required: requiredSecrets(layout, planned.value),
    mintsKeys: credentialsFor(planned.value, env.value) !== undefined,
    facts: {
      serverType: entry.hetzner.serverType,
      flakeHost: entry.flakeHost,
      ...(operatorKey.value !== undefined && { adminSshKeys: adminKeys(layout, operatorKey.value) }),
    },
  };
}

/** This operator's key, then those of the others. */
function adminKeys(layout: Layout, own: string): string[] {
  const others = readOperators(layout).flatMap(({ sshKeys }) => sshKeys);
  return [own, ...others.filter((key) => withoutComment(key) !== withoutComment(own))];
}

/** The settings that decide which secrets are required; others may still be missing. */
const planSettings = z.object(stackConfig.shape).pick({ ...planKeys, tailnetLoginServer: true });
