import type { Hetzner } from "../../base/hetzner/client.ts";
import { allServers, allSnapshots } from "../../base/hetzner/pages.ts";
import { bakingLabel } from "../../host/image/labels.ts";
import type { Layout } from "../../project/layout.ts";
import { listBaked } from "../images/baked.ts";
import { type Check, type Finding, ok, warning } from "./finding.ts";
import { currencyOf, monthlyGross } from "./orphans.ts";

/**
 * Finds what bakes have left: a killed bake may have finished a snapshot whose id nobody has seen. Each COSTS MONEY.
 * @throws UserError if Hetzner cannot be reached
 */
export async function checkSnapshots(hetzner: Hetzner, layout: Layout): Promise<Finding[]> {
  const about: Check = {
    scope: "deploy",
    check: "snapshots",
    subject: "servers and snapshots of image bake, compared with clawdlets:image of every stack file",
  };
  const [baked, unfinished, servers] = await Promise.all([
    listBaked(hetzner, layout),
    allSnapshots(hetzner, "look for unfinished snapshots", bakingLabel),
    allServers(hetzner, "look for servers of a bake", bakingLabel),
  ]);
  const currency = servers.length > 0 ? await currencyOf(hetzner) : "";
  const left = [
    ...servers.map((each) => {
      const cost = `${monthlyGross(each).toFixed(2)} ${currency} a month with VAT, without its IPv4`;
      return { ...each, found: `the temporary server "${each.name}" (${each.id}) of a bake exists; ${cost}` };
    }),
    ...unfinished.map((each) => ({
      ...each,
      found: `the snapshot ${each.id} of a bake is not finished; it COSTS MONEY`,
    })),
  ];
  const found = [
    ...left.map(({ found, labels }) => {
      const host = labels?.[bakingLabel] ?? "";
      const fix = `Unless it is being baked right now, delete it with the next bake: clawdlets image bake --host ${host}`;
      return warning({ ...about, host }, "orphan", found, fix);
    }),
    ...baked.flatMap(({ image, host, createdAt, usedBy }) => {
      if (usedBy.length > 0) return [];
      const text = `the snapshot ${image}, finished at ${createdAt}, is used by no stack file; it COSTS MONEY`;
      const fix = `Set clawdlets:image to "${image}" in stacks/Pulumi.${host}.yaml, or delete it: clawdlets image delete ${image}`;
      return [warning({ ...about, host }, "orphan", text, fix)];
    }),
  ];
  return found.length > 0 ? found : [ok(about, "every snapshot is used, and no bake has left anything")];
}
