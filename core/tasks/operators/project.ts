import { SettingsError } from "../../base/errors.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { recipientsKnown } from "../../project/secrets/identity.ts";
import { openSecrets, type SecretsOfHost } from "../../project/secrets/open.ts";
import { readStackJson } from "../../project/settings/stack-json/stack-json.ts";
import { refuseRunningEngine } from "../../project/state/running-engine.ts";

export interface OperatorsRequest {
  layout: Layout;
  environment: Environment;
  sops: string;
}

/** A host whose secrets exist, with the recipient that it has now. */
export interface ReadyHost extends Pick<SecretsOfHost, "store" | "required"> {
  host: string;
  recipient: string;
}

/** The hosts of stack.json, and which of them have no keys yet: `secrets init` makes those for all operators. */
export function hostsOf({ layout, environment, sops }: OperatorsRequest): { ready: ReadyHost[]; later: string[] } {
  const { value, problems } = readStackJson(layout);
  if (problems.length > 0) throw new SettingsError(problems);
  const ready: ReadyHost[] = [];
  const later: string[] = [];
  for (const host of Object.keys(value?.hosts ?? {}).sort()) {
    const { store, required } = openSecrets(layout, host, { environment, sops });
    const { promised, beside } = recipientsKnown(store);
    const recipient = promised ?? beside;
    if (recipient === undefined) later.push(host);
    else ready.push({ host, store, required, recipient });
  }
  return { ready, later };
}

/**
 * Runs `work` while nothing else changes a host or the project from this machine: an installation delivers, and a rebuild sends,
 * the keys and secrets as they are at that moment.
 * @throws UserError (busy) that names who is at work
 */
export async function whileNothingElseRuns<T>(
  layout: Layout,
  hosts: readonly ReadyHost[],
  work: () => Promise<T>,
): Promise<T> {
  refuseRunningEngine(layout);
  const releases: (() => Promise<void>)[] = [];
  try {
    for (const { host } of hosts) {
      releases.push(await takeHostLock(hostLayoutOf(layout, host).lock, host, () => undefined));
    }
    return await asOnlyWriter(layout, work);
  } finally {
    for (const release of releases) await release();
  }
}
