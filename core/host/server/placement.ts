import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { allServerTypes } from "../../base/hetzner/pages.ts";
import type { HostSettings } from "../../project/settings/host.ts";
import { type Draw, drawsIn, type StackState, serverIn } from "../../project/state/state.ts";
import { type Finding, isOnSale, type ServerType } from "./catalogue.ts";
import { type Placement, type SaleSettings, typesOf, wantedType } from "./choices.ts";
import { poolProblems } from "./pool.ts";

/** Every candidate of the settings, for a preview that cannot ask Hetzner. What the state already has is kept. */
export function unaskedPlacement(settings: SaleSettings): Placement {
  return drawnFrom(settings, typesOf(settings), settings.locations ?? [settings.location], false);
}

/**
 * Chooses what a new server is drawn from: the first type that is in stock in one of the locations, and the locations that have it.
 * An existing server stays what it is. Where an earlier draw is in the state without a server, Hetzner refused it or the run ended, so
 * that one is avoided if another is left. Sends no request for a server in the state, two otherwise.
 * @returns problems if nothing fits; then nothing has been bought
 */
export async function choosePlacement(
  hetzner: Hetzner,
  settings: SaleSettings & Pick<HostSettings, "host">,
  state: StackState | undefined,
  limit: number | undefined,
): Promise<{ placement: Placement; problems: Finding[] }> {
  const known = serverIn(state) ?? (await serverNamed(hetzner, settings.host));
  if (known) {
    const serverType = wantedType(settings, known.serverType);
    const placement = drawnFrom(settings, [serverType], [known.location ?? settings.location], false);
    return { placement: { ...placement, serverType }, problems: [] };
  }
  const types = await allServerTypes(hetzner);
  const problems = poolProblems(types, settings, limit);
  if (problems.length > 0) return { placement: unaskedPlacement(settings), problems };
  const { type, locations } = firstFitting(types, settings, drawsIn(state, settings.host));
  return { placement: drawnFrom(settings, [type], locations, true), problems };
}

function firstFitting(types: readonly ServerType[], settings: SaleSettings, earlier: Draw) {
  const pool = settings.locations ?? [settings.location];
  const fitting = typesOf(settings).flatMap((name) => {
    const type = types.find((each) => each.name === name);
    const locations = type ? pool.filter((each) => isOnSale(type, each)) : [];
    return locations.length > 0 ? [{ type: name, locations }] : [];
  });
  const isEarlier = (type: string, location: string) =>
    location === (earlier.location ?? settings.location) && type === (earlier.serverType ?? settings.serverType);
  const hasEarlier = earlier.location !== undefined || earlier.serverType !== undefined;
  const others = fitting
    .map(({ type, locations }) => ({ type, locations: locations.filter((each) => !isEarlier(type, each)) }))
    .filter(({ locations }) => locations.length > 0);
  const [first] = hasEarlier && others.length > 0 ? others : fitting;
  return first ?? { type: settings.serverType, locations: pool };
}

function drawnFrom(settings: SaleSettings, types: string[], locations: string[], redraw: boolean): Placement {
  return {
    ...(settings.locations !== undefined && { locations }),
    ...((settings.serverTypes ?? []).length > 0 && { types }),
    redraw,
  };
}

/** A server that a killed run created, or one in a state that is elsewhere. */
async function serverNamed(hetzner: Hetzner, name: string) {
  const query = { params: { query: { name, per_page: 2 } } };
  const [server] = (await answerOf("look for the server", hetzner.GET("/servers", query))).servers;
  return server && { serverType: server.server_type.name, location: server.location.name };
}
