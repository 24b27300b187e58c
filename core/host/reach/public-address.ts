import { createHetzner } from "../../base/hetzner/client.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allServers } from "../../base/hetzner/pages.ts";
import { addressesOf } from "../../base/hetzner/public-addresses.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { readJournal } from "../journal.ts";

/** A route is also looked for where Hetzner does not answer. */
const limits = { attempts: 2, maxWaitSeconds: 5 };

/**
 * A host's public address: the one in this machine's installation journal or, if another machine installed the host, the one that Hetzner
 * has for the server with its labels.
 * @returns undefined if neither is known, also where Hetzner cannot be asked
 */
export async function publicAddressOf(
  layout: Layout,
  host: string,
  { endpoint, token }: Pick<LocalSettings, "endpoint" | "token">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const known = readJournal(hostLayoutOf(layout, host).journal)?.address;
  if (known !== undefined || token === "") return known;
  try {
    const hetzner = createHetzner({ endpoint, token, limits, signal });
    const [server, ...others] = await allServers(hetzner, `look for the server of ${host}`, selectorOf(host));
    return server && others.length === 0 ? addressesOf(server)[0] : undefined;
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}
