import { z } from "zod";
import { isOnThisMachine } from "../../base/hetzner/endpoint.ts";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { run } from "../../base/machine/run.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import type { LocalSettings } from "../../project/settings/host.ts";

const peer = z.object({
  HostName: z.string(),
  DNSName: z.string().default(""),
  TailscaleIPs: z.array(z.string()).nullish(),
  Online: z.boolean().default(false),
  /** Headscale goes on calling such a node online (juanfont/headscale#3470). */
  Expired: z.boolean().default(false),
});

const status = z.object({ Peer: z.record(z.string(), peer).nullish() });

/**
 * The tailnet address of a host, as this machine's tailscale knows it. The name must fit exactly: a machine that was made
 * anew becomes `name-1` beside its dead predecessor (tailscale/tailscale#18921).
 * @returns undefined while the host has not joined
 */
export async function tailnetAddress(
  local: Pick<LocalSettings, "tailscale" | "endpoint" | "token">,
  host: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  // The emulator's stand-in for tailscale has to ask the emulator; the real one is told nothing of Hetzner.
  const standIn = isOnThisMachine(local.endpoint);
  const env = cleanEnvironment(standIn ? { HCLOUD_ENDPOINT: local.endpoint, HCLOUD_TOKEN: local.token } : {});
  const { exitCode, stdout } = await run(local.tailscale, ["status", "--json"], { timeoutSeconds: 20, signal, env });
  if (exitCode !== 0) return undefined;
  const parsed = status.safeParse(parseJsonText(stdout, "tailscale status").value);
  const peers = Object.values(parsed.data?.Peer ?? {}).filter(
    ({ Online, Expired, HostName }) => Online && !Expired && HostName === host,
  );
  return peers[0]?.TailscaleIPs?.[0];
}
