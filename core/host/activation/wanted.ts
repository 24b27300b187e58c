import { relative } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { ciphertextDigest, ciphertextHere } from "../../project/secrets/ciphertext.ts";
import { requiredSecrets } from "../../project/secrets/required.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { readSecretSources } from "../delivery/upstream-secrets.ts";
import { commitOf, revisionOf } from "../flake/commits.ts";
import { evaluateSystem } from "../flake/evaluate.ts";
import { resolveFlake } from "../flake/flake.ts";

/** The configuration that a stack declares for a running host. */
export interface WantedConfiguration {
  /** 40 hex digits; undefined if it is unknown here, as in CI: the value in the state then applies. */
  revision?: string;
  /** {@link ciphertextDigest}, or {@link noCiphertext}; undefined without `.clawdlets/`: the value in the state then applies. */
  ciphertext?: string;
  /** @returns the store path of the system at a commit, undefined without nix @throws UserError if evaluation fails */
  evaluate?: (revision: string) => Promise<string | undefined>;
}

/** The host's secrets are not managed from here, because the local folder does not have all of them. */
export const noCiphertext = "none";

/**
 * The configuration that `up` applies to a running host, if any.
 * @param local undefined without `.clawdlets/`
 * @throws SettingsError for `newest` with a host that cannot be reached; UserError if the flake cannot be resolved
 */
export async function wantedConfiguration(
  layout: Layout,
  settings: HostSettings,
  local: LocalSettings | undefined,
): Promise<WantedConfiguration | undefined> {
  const { enabled, onUp } = settings.rebuild;
  const pinned = settings.flake === undefined ? undefined : revisionOf(settings.flake);
  if (!enabled || onUp === "never" || (onUp === "pinned" && pinned === undefined)) return undefined;
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
  const { fromTree } = readSecretSources(
    layout,
    hostLayoutOf(layout, settings.host),
    local,
    requiredSecrets(layout, settings),
  );
  return fromTree.length > 0 ? noCiphertext : ciphertextDigest(ciphertextHere(layout, settings.host));
}
