import { z } from "zod";
import { isOnThisMachine } from "../../base/hetzner/endpoint.ts";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { run } from "../../base/machine/run.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import type { LocalSettings } from "../../project/settings/host.ts";

const peer = z.object({
  HostName: z.string(),
  /** `web-1.tail1234.ts.net.`: unique in the tailnet, unlike the host name. */
  DNSName: z.string().default(""),
  TailscaleIPs: z.array(z.string()).nullish(),
  Online: z.boolean().default(false),
  /** Headscale keeps reporting an expired node as online (juanfont/headscale#3470). */
  Expired: z.boolean().default(false),
});

const status = z.object({ Peer: z.record(z.string(), peer).nullish() });

/**
 * Every tailnet address that may be the host's, according to this machine's tailscale, IPv4 first. Any machine can take the
 * host's name, and a recreated host becomes `name-1` in DNS next to its dead predecessor (tailscale/tailscale#18921): only the
 * pinned key tells which one is the host.
 * @returns an empty list while the host has not joined
 */
export async function tailnetAddresses(
  local: Pick<LocalSettings, "tailscale" | "endpoint" | "token">,
  host: string,
  signal: AbortSignal,
): Promise<string[]> {
  // The emulator's stand-in for tailscale asks the emulator; the real one gets nothing of Hetzner, not even the token.
  const standIn = isOnThisMachine(local.endpoint);
  const env = cleanEnvironment(standIn ? { HCLOUD_ENDPOINT: local.endpoint, HCLOUD_TOKEN: local.token } : {});
  const { exitCode, stdout } = await run(local.tailscale, ["status", "--json"], { timeoutSeconds: 20, signal, env });
  if (exitCode !== 0) return [];
  const parsed = status.safeParse(parseJsonText(stdout, "tailscale status").value);
  const addresses = Object.values(parsed.data?.Peer ?? {})
    .filter(({ Online, Expired }) => Online && !Expired)
    .filter(({ HostName, DNSName }) => HostName === host || DNSName.split(".")[0] === host)
    .flatMap(({ TailscaleIPs }) => TailscaleIPs ?? []);
  const isIpv6 = (address: string) => address.includes(":");
  return [...addresses.filter((address) => !isIpv6(address)), ...addresses.filter(isIpv6)];
}
