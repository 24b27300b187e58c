import { relative } from "node:path";
import { objectionOf } from "../../base/errors.ts";
import type { Problem } from "../../base/problem.ts";
import { createTailnetApi } from "../../base/tailnet/api.ts";
import type { SendingOptions } from "../../base/tailnet/http.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { authKeySecret, mintedMark } from "../../project/secrets/plan.ts";
import { openStore, readSecret, secretFile } from "../../project/secrets/store.ts";
import { type HostSettings, hasTailnet, type LocalSettings } from "../../project/settings/host.ts";
import { tagsOf } from "./auth-key.ts";

interface KeyToCheck {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  /** `sops`, or its path. */
  sops: string;
}

/**
 * Checks that an installation will have a key to join with: that the tailnet's API accepts the credentials, or else that the secret
 * is a key. Whether the secret decrypts is checked elsewhere.
 * @param mints also mints a key for a minute and revokes it: only that tells whether Tailscale accepts the tags
 */
export async function checkAuthKey(
  { layout, settings, local, sops }: KeyToCheck,
  { mints, ...options }: SendingOptions & { mints: boolean },
): Promise<Problem[]> {
  if (!hasTailnet(settings)) return [];
  const { host } = settings;
  const { tailnetApi } = local;
  if (tailnetApi) {
    const about = { subject: ".clawdlets/.env", setting: settingOf(tailnetApi.service) };
    try {
      await createTailnetApi(tailnetApi, options).check(mints ? tagsOf(settings) : undefined);
      return [];
    } catch (error) {
      return [{ ...about, ...objectionOf(error, "tailnet-api") }];
    }
  }
  const store = openStore(layout, {
    host,
    folder: local.secretsDir,
    operatorFile: hostLayoutOf(layout, host).identity,
    sops,
  });
  const value = await readSecret(store, authKeySecret).catch(() => undefined);
  if (value?.trim() !== mintedMark) return [];
  const variables =
    settings.tailnet === "headscale"
      ? "HEADSCALE_API_KEY"
      : "TAILSCALE_OAUTH_CLIENT_ID and TAILSCALE_OAUTH_CLIENT_SECRET";
  return [
    {
      code: "missing-setting",
      subject: relative(layout.root, secretFile(store, authKeySecret)),
      setting: authKeySecret,
      problem: "says that a key is minted for each installation, but .clawdlets/.env has no credentials for that.",
      fix: `Set ${variables} there, or put a key into the secret: clawdlets secrets edit ${authKeySecret} --host ${host}`,
    },
  ];
}

/** The variable that a problem with the credentials is about. */
export const settingOf = (service: "Tailscale" | "headscale"): string =>
  service === "headscale" ? "HEADSCALE_API_KEY" : "TAILSCALE_OAUTH_CLIENT_SECRET";
