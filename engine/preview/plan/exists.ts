import { resourceTypes } from "../../../core/base/hetzner/resource-types.ts";
import { opensSsh } from "../../../core/project/firewall/opens-ssh.ts";
import { rulesOf } from "./changes.ts";
import { candidatesOf, inWords } from "./draws.ts";
import type { Plan } from "./plan.ts";

/** What would be there, on one line: `cx43 in nbg1, debian-12; TCP/22 closed`. */
export function summaryOf({ steps }: Plan): string {
  const there = steps.filter(({ op }) => op !== "delete");
  const servers = there.flatMap((step) => {
    const { type, after } = step;
    if (type !== resourceTypes.server || !after) return [];
    const [serverType, location] = (["serverType", "location"] as const).map((property) => {
      const candidates = candidatesOf(step, property, steps);
      return candidates ? inWords(candidates) : after[property];
    });
    return `${String(serverType)} in ${String(location ?? "any location")}, ${String(after["image"] ?? "no image")}`;
  });
  if (servers.length === 0) return there.length > 0 ? "no server" : "";
  const ssh = there.flatMap(({ type, after }) =>
    type === resourceTypes.firewall
      ? rulesOf(after)
          .filter(opensSsh)
          .flatMap(({ source_ips = [] }) => source_ips)
      : [],
  );
  return `${servers.join("; ")}; TCP/22 ${ssh.length > 0 ? `open to ${[...new Set(ssh)].sort().join(", ")}` : "closed"}`;
}
