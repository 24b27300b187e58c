import { existsSync, readFileSync } from "node:fs";
import { writePrivateFile } from "../../base/machine/private-files.ts";
import { ensureSshKey, publicKeyOf, replaceSshKey } from "../../base/machine/ssh-keys.ts";
import type { HostLayout } from "../../project/layout.ts";
import { knownHostsLine } from "../reach/known-hosts.ts";
import type { SshRoute } from "../reach/ssh.ts";
import type { BootstrapKeys } from "./user-data.ts";

/** Creates the one-time keys of a host, unless it has them. */
export async function ensureBootstrapKeys(host: HostLayout, name: string): Promise<boolean> {
  const client = await ensureSshKey(host.bootstrapClientKey, `${name} bootstrap client, one time`);
  const server = await ensureSshKey(host.bootstrapHostKey, `${name} bootstrap host, one time`);
  return client.created || server.created;
}

/** Replaces used one-time keys, so that every new server gets its own. */
export async function replaceBootstrapKeys(host: HostLayout, name: string): Promise<void> {
  await replaceSshKey(host.bootstrapClientKey, `${name} bootstrap client, one time`);
  await replaceSshKey(host.bootstrapHostKey, `${name} bootstrap host, one time`);
}

/**
 * @param withPrivateKey false for a preview, which creates no server: the engine's log (`-v=9`) shows its inputs, and the key
 * could impersonate the next server of this name
 * @returns undefined on machines without `.clawdlets`, such as CI
 */
export function readBootstrapKeys(host: HostLayout, withPrivateKey = true): BootstrapKeys | undefined {
  const files = [host.bootstrapClientKey, host.bootstrapHostKey];
  if (!files.every((file) => existsSync(file) && existsSync(`${file}.pub`))) return undefined;
  return {
    hostPrivateKey: withPrivateKey ? readFileSync(host.bootstrapHostKey, "utf8") : "(not needed for a preview)",
    hostPublicKey: publicKeyOf(host.bootstrapHostKey),
    clientPublicKey: publicKeyOf(host.bootstrapClientKey),
  };
}

/** Route before NixOS is installed: root, with one-time keys on both sides. */
export async function bootstrapRoute(
  host: HostLayout,
  name: string,
  { address, port }: { address: string; port: number },
): Promise<SshRoute> {
  const knownHosts = `${host.bootstrapHostKey}.known_hosts`;
  await writePrivateFile(knownHosts, knownHostsLine([name], publicKeyOf(host.bootstrapHostKey)));
  return { address, port, user: "root", alias: name, knownHosts, identity: host.bootstrapClientKey };
}
