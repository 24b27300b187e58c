import { createHetzner } from "../../base/hetzner/client.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allServers } from "../../base/hetzner/pages.ts";
import { addressesOf } from "../../base/hetzner/public-addresses.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { asUserError } from "../../base/system-errors.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { readAccess } from "../../project/settings/access.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { readProjectFile } from "../../project/state/project-file.ts";
import { type KnownServer, readHostState, serverIn } from "../../project/state/state.ts";
import { readJournal } from "../journal.ts";

/** This machine's journals know only the hosts that it installed itself. Of all others, Hetzner knows the server, by the host's labels. */
type HetznerAccess = Pick<LocalSettings, "endpoint" | "token">;

interface ServerAtHetzner extends KnownServer {
  address?: string;
}

/** A route is also looked for where Hetzner does not answer. */
const limits = { attempts: 2, maxWaitSeconds: 5 };

/**
 * The server with a host's labels.
 * @returns undefined if Hetzner has none; `unknown` if there are several, or if Hetzner cannot be asked
 */
export async function serverWithLabels(
  host: string,
  { endpoint, token }: HetznerAccess,
  signal?: AbortSignal,
): Promise<ServerAtHetzner | "unknown" | undefined> {
  if (token === "") return "unknown";
  try {
    const hetzner = createHetzner({ endpoint, token, limits, ...(signal && { signal }) });
    const [server, ...others] = await allServers(hetzner, `look for the server of ${host}`, selectorOf(host));
    if (!server || others.length > 0) return server && "unknown";
    const [address] = addressesOf(server);
    return {
      id: server.id,
      serverType: server.server_type.name,
      location: server.location.name,
      // An address that was removed in the console does not say how the server was ordered.
      hasIpv4: server.public_net.ipv4 ? true : undefined,
      ...(address !== undefined && { address }),
    };
  } catch (error) {
    if (signal?.aborted || !asUserError(error)) throw error;
    return "unknown";
  }
}

/**
 * A host's server, as its state has it. A state in a bucket cannot be read here: then as Hetzner has it.
 * @returns undefined also if Hetzner cannot be asked
 */
export async function knownServer(
  layout: Layout,
  host: string,
  access: HetznerAccess | undefined,
): Promise<KnownServer | undefined> {
  const known = serverIn(readHostState(layout, host).value);
  if (known || !access || readProjectFile(layout).hasLocalState) return known;
  const server = await serverWithLabels(host, access);
  return server === "unknown" ? undefined : server;
}

/** A host's public address: from this machine's installation journal, otherwise from Hetzner. */
export async function publicAddressOf(
  layout: Layout,
  host: string,
  access: HetznerAccess,
  signal: AbortSignal,
): Promise<string | undefined> {
  const known = readJournal(hostLayoutOf(layout, host).journal)?.address;
  if (known !== undefined) return known;
  const server = await serverWithLabels(host, access, signal);
  return server === "unknown" ? undefined : server?.address;
}

/**
 * Whether a host is installed: as this machine's journal says, otherwise if the state or Hetzner has its server.
 * @returns undefined if nobody can say
 */
export async function isInstalled(
  layout: Layout,
  host: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const journal = readJournal(hostLayoutOf(layout, host).journal);
  if (journal) return journal.state === "done";
  if (serverIn(readHostState(layout, host).value)) return true;
  const access = accessIn(layout, host, environment);
  const server = access ? await serverWithLabels(host, access, signal) : "unknown";
  if (server !== "unknown") return server !== undefined;
  // With the state here, this machine is the only one that can create the host.
  return readProjectFile(layout).hasLocalState ? false : undefined;
}

/** Undefined without a valid token. */
function accessIn(layout: Layout, host: string, environment: Environment): HetznerAccess | undefined {
  try {
    return readAccess(layout, host, environment);
  } catch (error) {
    if (!asUserError(error)) throw error;
    return undefined;
  }
}
