import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { type Placement, typesOf } from "../../core/host/server/choices.ts";
import type { HostSettings } from "../../core/project/settings/host.ts";

/** Type and location of a host's server. Where the settings leave a choice, it is drawn once and kept in the state. */
export function placeOf(
  name: string,
  settings: HostSettings,
  placement: Placement | undefined,
  parent: pulumi.Resource,
): { serverType: pulumi.Input<string>; location: pulumi.Input<string> } {
  const { host, serverTypes = [] } = settings;
  const redraw = placement?.redraw ?? false;
  const draw = (what: "location" | "type", candidates: string[]) =>
    drawn(`${name}-${what}`, { host, what, candidates, redraw }, parent);
  const locations = placement?.locations ?? settings.locations;
  const location = locations ? draw("location", locations) : settings.location;
  const types = placement?.types ?? (serverTypes.length > 0 ? typesOf(settings) : undefined);
  if (!types) return { serverType: settings.serverType, location };
  const type = draw("type", types);
  // A type that the settings no longer allow is changed to the one that they name, in place.
  const allowed = typesOf(settings);
  const serverType =
    placement?.serverType ?? type.apply((each) => (allowed.includes(each) ? each : settings.serverType));
  return { serverType, location };
}

interface DrawArgs {
  host: string;
  what: string;
  candidates: string[];
  redraw: boolean;
}

/** Draws one candidate, seeded by the host's name so that the hosts of a fleet spread. Later candidates are ignored. */
function drawn(name: string, { host, what, candidates, redraw }: DrawArgs, parent: pulumi.Resource) {
  const tell = new pulumi.ResourceHook(
    `${name}-candidates`,
    async ({ newInputs }) => {
      const inputs: unknown = newInputs?.["inputs"];
      if (Array.isArray(inputs) && inputs.length > 1)
        await pulumi.log.info(`${host}: ${what}: one of ${inputs.join(", ")}`);
    },
    { onDryRun: true },
  );
  const shuffle = new random.RandomShuffle(
    name,
    { inputs: candidates, resultCount: 1, seed: host },
    { parent, hooks: { beforeCreate: [tell] }, ignoreChanges: redraw ? [] : ["inputs", "resultCount", "seed"] },
  );
  return shuffle.results.apply((results) => results?.[0] ?? candidates[0] ?? "");
}
