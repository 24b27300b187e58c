import { messageOf } from "../../base/errors.ts";
import type { TailnetApi } from "../../base/tailnet/types.ts";
import type { Layout } from "../../project/layout.ts";
import { authKeySecret } from "../../project/secrets/plan.ts";
import { encryptFor, openStore } from "../../project/secrets/store.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import type { Delivery } from "../delivery/extra-files.ts";
import { deliverOver } from "../delivery/send-secrets.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import type { Installation } from "../request.ts";

/** Seconds that a minted key can be used for. */
export const keySeconds = 3600;

/** A minted key always has tags: nobody's account is the owner of the host then. */
const defaultTags = ["tag:bot-host"];

/** The tags of a host's minted keys. */
export const tagsOf = ({ tailnetTags }: Pick<HostSettings, "tailnetTags">): readonly string[] =>
  tailnetTags.length > 0 ? tailnetTags : defaultTags;

/** Ciphertext by secret name, in place of the local files. */
export type Minted = Readonly<Record<string, string>>;

interface Minting {
  api: TailnetApi;
  layout: Layout;
  settings: Pick<HostSettings, "host" | "tailnetTags">;
  local: Pick<LocalSettings, "secretsDir">;
  /** Called with the key's id as soon as there is a key. */
  record: (key: { id: string; expires: string }) => Promise<void>;
}

/** Mints a key for one host and encrypts it for that host. Its value is only ever in this process and in the ciphertext. */
export async function mintSecret({ api, layout, settings, local, record }: Minting): Promise<Minted> {
  const { host } = settings;
  const { key, ...known } = await api.mint({ host, tags: tagsOf(settings), seconds: keySeconds });
  await record({ id: known.id, expires: known.expires });
  const store = openStore(layout, { host, folder: local.secretsDir, operatorFile: "", sops: "sops" });
  return { [authKeySecret]: await encryptFor(store, authKeySecret, key) };
}

/** Mints the key of an installation, and revokes the one of a run before, whose value nobody has any more. */
export async function mintForInstallation(installation: Installation): Promise<Minted> {
  const { tailnetApi: api, journal, settings, report } = installation;
  if (!api) return {};
  const last = journal.journal.tailnet?.key;
  if (last) await api.revoke(last.id);
  const minted = await mintSecret({ ...installation, api, record: (key) => journal.tailnetIs({ key }) });
  report(
    "check",
    `minted an auth key for ${settings.host}, for one machine and an hour, with ${tagsOf(settings).join(", ")}`,
  );
  return minted;
}

/**
 * Seconds that a key must still be valid for when the host boots into its system. A host that finds its key expired is off the tailnet
 * and lets nobody else in, so only the console is left.
 */
const reserveSeconds = 20 * 60;

/** True if the key that was sent to the host can no longer be used, or not for long, as after an interruption of an hour. */
async function isSpent({ tailnetApi: api, journal }: Installation): Promise<boolean> {
  const key = journal.journal.tailnet?.key;
  if (!api || !key) return false;
  return expiresSoon(key, new Date()) || !(await api.isUsable(key.id));
}

/** True if a key may expire before the host has booted and joined. */
export const expiresSoon = ({ expires }: { expires: string }, now: Date): boolean =>
  Date.parse(expires) - now.getTime() < reserveSeconds * 1000;

/** On the running host, reached at its public address: sends a new key if it has not joined and its key can no longer be used. */
export async function renewOnHost(installation: Installation, route: SshRoute, delivery: Delivery): Promise<void> {
  const { settings, signal } = installation;
  if (!(await isSpent(installation))) return;
  const { stdout } = await ssh(route, "cat /run/clawdlets-tailnet/state", { timeoutSeconds: 20, signal });
  if (stdout.trim() === "joined") return;
  const minted = await mintForInstallation(installation);
  await deliverOver(route, settings.host, signal)({ files: { ...delivery.secrets, ...minted } });
}

/**
 * After the host was confirmed over the tailnet: revokes its key, and sends the local secrets, which do not have it. Neither can undo an
 * installation, so a failure is only reported.
 */
export async function retireKey(installation: Installation, route: SshRoute, delivery: Delivery): Promise<void> {
  const { tailnetApi: api, journal, settings, signal, report } = installation;
  const key = journal.journal.tailnet?.key;
  if (!api || !key) return;
  const { host } = settings;
  try {
    await api.revoke(key.id);
    await journal.tailnetIs({ key: undefined });
  } catch (error) {
    report(
      "tailnet",
      `the used auth key ${key.id} could not be revoked, and expires ${key.expires}: ${messageOf(error)}`,
    );
  }
  try {
    await deliverOver(route, host, signal)({ files: delivery.secrets });
  } catch (error) {
    const advice = `Remove it: clawdlets secrets sync --host ${host}`;
    report("tailnet", `the used auth key is still on the host: ${messageOf(error)} ${advice}`);
  }
}
