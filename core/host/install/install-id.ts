import { createHash } from "node:crypto";

/**
 * The id of one installation on one server. Derived from public facts instead of stored in the state: after losing the state, an
 * operator gets the same id again, and the running host is recognised instead of wiped.
 * @returns 16 hexadecimal characters, valid as a Hetzner label
 */
export function installIdOf({
  host,
  serverId,
  reinstall,
}: {
  host: string;
  serverId: number;
  reinstall: number;
}): string {
  return createHash("sha256")
    .update(JSON.stringify([host, serverId, reinstall]))
    .digest("hex")
    .slice(0, 16);
}
