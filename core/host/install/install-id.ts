import { createHash } from "node:crypto";

/**
 * Names one installation on one server. Made of public facts rather than kept in the state: an operator who lost the state
 * gets the same id again, and the living host is recognised instead of wiped.
 * @returns 16 hexadecimal characters, fit for a Hetzner label
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
