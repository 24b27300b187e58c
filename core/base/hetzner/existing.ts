import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { answerOf, type Hetzner } from "./client.ts";
import { HetznerApiError } from "./errors.ts";
import { labelsOf } from "./labels.ts";

interface Named {
  id: number;
  labels: Record<string, string>;
}

/** By the engine's type, how one of a name is looked for. Names are unique in a Hetzner project, each kind for itself. */
const lookups: Readonly<Record<string, (hetzner: Hetzner, name: string) => Promise<Named | undefined>>> = {
  async "hcloud:index/firewall:Firewall"(hetzner, name) {
    const query = { params: { query: { name } } };
    const { firewalls } = await answerOf(`look for the firewall ${name}`, hetzner.GET("/firewalls", query));
    return firewalls.map(({ id, labels }) => ({ id, labels: labels ?? {} }))[0];
  },
  async "hcloud:index/sshKey:SshKey"(hetzner, name) {
    const query = { params: { query: { name } } };
    return (await answerOf(`look for the ssh key ${name}`, hetzner.GET("/ssh_keys", query))).ssh_keys[0];
  },
  async "hcloud:index/server:Server"(hetzner, name) {
    const query = { params: { query: { name } } };
    return (await answerOf(`look for the server ${name}`, hetzner.GET("/servers", query))).servers[0];
  },
};

/** Whether a resource of this type of the engine's is one at Hetzner, and could have come about unnoticed. */
export const isAtHetzner = (type: string) => Object.hasOwn(lookups, type);

/** Whether Hetzner has it, in the project that the token is of. */
export async function isThere(hetzner: Hetzner, type: string, id: number): Promise<boolean> {
  const params = { params: { path: { id } } };
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    "hcloud:index/server:Server": () => answerOf("look for the server", hetzner.GET("/servers/{id}", params)),
    "hcloud:index/firewall:Firewall": () => answerOf("look for the firewall", hetzner.GET("/firewalls/{id}", params)),
    "hcloud:index/sshKey:SshKey": () => answerOf("look for the ssh key", hetzner.GET("/ssh_keys/{id}", params)),
  };
  try {
    await calls[type]?.();
    return Object.hasOwn(calls, type);
  } catch (error) {
    if (error instanceof HetznerApiError && error.code === "not_found") return false;
    throw error;
  }
}

/**
 * The id of what a killed run created without writing it down.
 * @param type the engine's, e.g. `hcloud:index/server:Server`
 * @throws UserError when something of that name is there that is not this host's: nothing is taken over
 */
export async function findExisting(
  hetzner: Hetzner,
  host: string,
  type: string,
  name: string,
): Promise<number | undefined> {
  const found = await lookups[type]?.(hetzner, name);
  if (found === undefined) return undefined;
  if (Object.entries(labelsOf(host)).every(([key, value]) => found.labels[key] === value)) return found.id;
  throw new UserError(
    {
      subject: host,
      problem: `there is a ${type.split(":").at(-1)} "${name}" (${found.id}) at Hetzner without this host's labels: somebody else's. Rename it or the host; nothing was changed.`,
    },
    { exitCode: exitCodes.failed },
  );
}
