import type { components } from "../../base/hetzner/_generated/api.d.ts";
import type { Hetzner } from "../../base/hetzner/client.ts";
import { allServerTypes } from "../../base/hetzner/pages.ts";
import { type Finding, isOnSale, type ServerType, saleProblems } from "./catalogue.ts";
import { powerCut } from "./resize-guard.ts";

export type Server = components["schemas"]["server"];

/** The problems and effects of changing a server's type. */
export interface TypeChange {
  /** Why Hetzner would refuse it, which happens after the provider has cut the power. Empty: the change is possible. */
  problems: Finding[];
  /** What the operator should know beforehand, a sentence each. */
  effects: string[];
}

/**
 * Checks that an existing server can change to another type. The provider cuts the power first and asks Hetzner afterwards, and
 * a refusal leaves the server off (hetznercloud/terraform-provider-hcloud#80), so we check beforehand. Sends one request, or
 * none if the type stays the same.
 * @param limit highest net price in euros a month; undefined: no limit
 */
export async function checkTypeChange(
  hetzner: Hetzner,
  server: Server,
  to: string,
  limit: number | undefined,
): Promise<TypeChange> {
  const from = server.server_type;
  if (from.name === to) return { problems: [], effects: [] };
  const types = await allServerTypes(hetzner);
  const location = server.location.name;
  const disk = server.primary_disk_size;
  const fits = (type: ServerType) => type.architecture === from.architecture && type.disk >= disk;
  const problems = saleProblems(types, { type: to, location, fits, limit });
  const type = types.find(({ name }) => name === to);
  if (type && problems.length === 0 && !fits(type)) {
    const allowed = types.filter((each) => fits(each) && isOnSale(each, location)).map(({ name }) => name);
    const why =
      type.disk < disk
        ? `has a disk of ${type.disk} GB, but the server's disk has ${disk} GB, which cannot shrink`
        : `is ${type.architecture}, but the server is ${from.architecture}`;
    problems.push({
      setting: "serverType",
      code: "type-unsuitable",
      problem: `"${to}" ${why}.`,
      fix: `Allowed for this server in ${location}: ${allowed.join(", ")}. Set it back to "${from.name}", or choose one of them.`,
    });
  }
  if (!type || problems.length > 0) return { problems, effects: [] };
  const grows =
    type.disk > disk ? ` Its disk grows from ${disk} GB to ${type.disk} GB and can never shrink again.` : "";
  return { problems, effects: [`${powerCut(from.name, to)}${grows}`] };
}
