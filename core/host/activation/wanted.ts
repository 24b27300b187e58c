import { relative } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { ciphertextDigest, ciphertextHere } from "../../project/secrets/ciphertext.ts";
import { requiredSecrets } from "../../project/secrets/plan.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { readSecretSources } from "../delivery/upstream-secrets.ts";
import { commitOf, revisionOf } from "../flake/commits.ts";
import { evaluateSystem } from "../flake/evaluate.ts";
import { resolveFlake } from "../flake/flake.ts";

/** What a running host is to have, as a stack declares it. */
export interface WantedConfiguration {
  /** 40 hex digits; left out where that cannot be known here, as in CI: it is then as the state says. */
  revision?: string;
  /** {@link ciphertextDigest}, or {@link noCiphertext}; left out without `.clawdlets/`: it is then as the state says. */
  ciphertext?: string;
  /** @returns the store path of the system at a commit, undefined without nix @throws UserError when it does not evaluate */
  evaluate?: (revision: string) => Promise<string | undefined>;
}

/** The secrets are left as they are on the host: not all of them are in the local folder. */
export const noCiphertext = "none";

/**
 * What the stack is to bring the running host to, if anything.
 * @param local left out where there is no `.clawdlets/`
 * @throws SettingsError for `newest` with a host that nobody can reach; UserError when the flake cannot be looked up
 */
export async function wantedConfiguration(
  layout: Layout,
  settings: HostSettings,
  local: LocalSettings | undefined,
): Promise<WantedConfiguration | undefined> {
  const { onUp } = settings.rebuild;
  const pinned = settings.flake === undefined ? undefined : revisionOf(settings.flake);
  if (onUp === "never" || (onUp === "pinned" && pinned === undefined)) return undefined;
  if (settings.tailnet === "none" && settings.sshExposure !== "public") {
    if (onUp === "pinned") return undefined;
    const where = relative(layout.root, hostLayoutOf(layout, settings.host).stackFile);
    throw new SettingsError([
      {
        code: "settings-disagree",
        subject: where,
        setting: "clawdlets:rebuild.onUp",
        problem: `is "newest", but with tailnet "none" and sshExposure "${settings.sshExposure}" nobody can reach the host to change it; allowed here: "pinned" or "never"`,
      },
    ]);
  }
  if (!local) return pinned === undefined ? {} : { revision: pinned };
  const isAsked = local.wanted.rev !== undefined || local.wanted.ref !== undefined;
  const revision =
    pinned !== undefined && !isAsked ? pinned : commitOf(settings, await resolveFlake(layout, settings, local));
  return {
    revision,
    ciphertext: digestHere(layout, settings, local),
    evaluate: async (rev) => evaluateSystem(await resolveFlake(layout, settings, local, { rev }), local),
  };
}

function digestHere(layout: Layout, settings: HostSettings, local: LocalSettings): string {
  const { fromTree } = readSecretSources(layout, hostLayoutOf(layout, settings.host), local, requiredSecrets(settings));
  return fromTree.length > 0 ? noCiphertext : ciphertextDigest(ciphertextHere(layout, settings.host));
}
