import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { answerOf, type Hetzner } from "./client.ts";
import { HetznerApiError } from "./errors.ts";
import { labelsOf } from "./labels.ts";
import { resourceTypes } from "./resource-types.ts";

interface Named {
  id: number;
  labels: Record<string, string>;
}

/** How to find a resource by name, by the engine's type. Names are unique per kind within a Hetzner project. */
const lookups: Readonly<Record<string, (hetzner: Hetzner, name: string) => Promise<Named | undefined>>> = {
  async [resourceTypes.firewall](hetzner, name) {
    const query = { params: { query: { name } } };
    const { firewalls } = await answerOf(`look for the firewall ${name}`, hetzner.GET("/firewalls", query));
    return firewalls.map(({ id, labels }) => ({ id, labels: labels ?? {} }))[0];
  },
  async [resourceTypes.sshKey](hetzner, name) {
    const query = { params: { query: { name } } };
    return (await answerOf(`look for the ssh key ${name}`, hetzner.GET("/ssh_keys", query))).ssh_keys[0];
  },
  async [resourceTypes.server](hetzner, name) {
    const query = { params: { query: { name } } };
    return (await answerOf(`look for the server ${name}`, hetzner.GET("/servers", query))).servers[0];
  },
};

/** True if resources of this engine type live at Hetzner, so that a killed run may have created one without recording it. */
export const isAtHetzner = (type: string) => Object.hasOwn(lookups, type);

/** True if the token's Hetzner project has this resource. */
export async function isThere(hetzner: Hetzner, type: string, id: number): Promise<boolean> {
  const params = { params: { path: { id } } };
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    [resourceTypes.server]: () => answerOf("look for the server", hetzner.GET("/servers/{id}", params)),
    [resourceTypes.firewall]: () => answerOf("look for the firewall", hetzner.GET("/firewalls/{id}", params)),
    [resourceTypes.sshKey]: () => answerOf("look for the ssh key", hetzner.GET("/ssh_keys/{id}", params)),
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
 * The id of a resource that a killed run created but did not record.
 * @param type the engine's, e.g. `hcloud:index/server:Server`
 * @throws UserError if a resource of that name exists without this host's labels: we never take it over
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
      problem: `there is a ${type.split(":").at(-1)} "${name}" (${found.id}) at Hetzner without this host's labels, so it is not ours. Rename it or the host. Nothing was changed.`,
    },
    { exitCode: exitCodes.failed },
  );
}
