import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import type { Adoption } from "../../core/base/hetzner/adopt.ts";
import { answerOf, createHetzner, type Hetzner } from "../../core/base/hetzner/client.ts";
import { HetznerApiError } from "../../core/base/hetzner/errors.ts";
import { readJournal } from "../../core/host/journal.ts";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import type { LocalSettings } from "../../core/project/settings/host.ts";
import { readState } from "../../core/project/state/state.ts";
import { findOrphans, type Orphan } from "../../core/tasks/doctor/orphans.ts";

interface Place {
  layout: Layout;
  host: string;
  local: Pick<LocalSettings, "endpoint" | "token">;
  tell: (text: string) => void;
}

/** A server younger than this cannot be a host in use. Milliseconds. */
const youngMs = 3_600_000;

/**
 * What Hetzner has of a host, by its labels, and its state does not know: the answer to its creation was lost, or the state was.
 * @param typedOut whether a person has said to take over whatever carries the labels
 * @returns undefined where there is nothing, or the state is kept elsewhere and what is ours cannot be told from here
 * @throws UserError for a server that may be another project's host of this name
 */
export async function findAdoptable(place: Place, typedOut: boolean): Promise<Adoption | undefined> {
  const { host, layout, tell } = place;
  const hetzner = createHetzner(place.local);
  const left = await leftoversOf(hetzner, place);
  if (left.length === 0) return undefined;
  const servers = left.filter(({ kind }) => kind === "server");
  const [server] = servers;
  if (server && !typedOut && (servers.length > 1 || !(await isOurs(hetzner, layout, host, server.id)))) {
    throw new UserError(
      {
        subject: host,
        problem: `Hetzner has the server "${server.name}" (${server.id}) with this host's labels, which is older than an hour and in neither the state nor this machine's journal. It was not changed.`,
        fix: `If it is this project's host: clawdlets up --host ${host} --adopt. Otherwise choose another name.`,
      },
      { exitCode: exitCodes.failed },
    );
  }
  for (const { kind, id, name } of left) tell(`${host}: the ${kind} "${name}" (${id}) already exists; taking it over`);
  return Object.fromEntries(left.map(({ kind, id }) => [kind, id]));
}

async function isOurs(hetzner: Hetzner, layout: Layout, host: string, id: number): Promise<boolean> {
  if (readJournal(hostLayoutOf(layout, host).journal)?.serverId === id) return true;
  const path = { id };
  const { server } = await answerOf("read the server", hetzner.GET("/servers/{id}", { params: { path } }));
  return server !== undefined && Date.now() - Date.parse(server.created) < youngMs;
}

/**
 * Removes firewalls and keys of a host that its state does not know, once the host is destroyed. The provider takes a lost answer
 * to a deletion for a deletion, and the name would stay taken. They cost nothing and hold nothing.
 * @throws UserError when Hetzner still has a server of this host: nothing is removed then
 */
export async function removeLeftovers(place: Place): Promise<void> {
  const { host, tell } = place;
  const hetzner = createHetzner(place.local);
  const left = await leftoversOf(hetzner, place);
  const server = left.find(({ kind }) => kind === "server");
  if (server) {
    throw new UserError(
      {
        subject: host,
        problem: `Hetzner still has the server "${server.name}" (${server.id}) with this host's labels, which is not in the state. It was not deleted, and COSTS MONEY: delete it in the Hetzner console, or take it over (clawdlets up --host ${host} --adopt) and then destroy it.`,
      },
      { exitCode: exitCodes.failed },
    );
  }
  for (const orphan of left) {
    if (await remove(hetzner, orphan)) tell(`${host}: the ${orphan.kind} "${orphan.name}" (${orphan.id}) is removed`);
  }
}

async function leftoversOf(hetzner: Hetzner, { layout, host }: Place): Promise<Orphan[]> {
  if (readState(layout, host).value === undefined) return [];
  return (await findOrphans(hetzner, layout)).filter((orphan) => orphan.host === host);
}

async function remove(hetzner: Hetzner, { kind, id, name }: Orphan): Promise<boolean> {
  const params = { params: { path: { id } } };
  const call =
    kind === "firewall" ? hetzner.DELETE("/firewalls/{id}", params) : hetzner.DELETE("/ssh_keys/{id}", params);
  try {
    await answerOf(`remove the ${kind} ${name}`, call);
    return true;
  } catch (error) {
    // On a server still, or gone meanwhile.
    if (error instanceof HetznerApiError && ["resource_in_use", "not_found"].includes(error.code)) return false;
    throw error;
  }
}
