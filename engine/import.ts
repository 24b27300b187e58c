import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { resourceTypes } from "../core/base/hetzner/resource-types.ts";
import type { Adoptable } from "../core/tasks/adopt/look.ts";
import type { Progress } from "./progress/progress.ts";
import { runEngine } from "./run.ts";

/**
 * Puts a server and its firewall into the stack, under the names and parents that the program gives them. The provider reads them;
 * nothing is written to Hetzner.
 */
export async function importHost(
  stack: Stack,
  host: string,
  made: Adoptable,
  protect: boolean,
  progress: Progress,
): Promise<void> {
  // In the file, a name is what others call it by; the resources' own names are the logical ones.
  const component = (type: string, name: string, parent?: string) => {
    return { type: `clawdlets:index:${type}`, name, logicalName: host, component: true, ...(parent && { parent }) };
  };
  await runEngine(host, "import", progress, ({ color: _, ...options }) =>
    stack.import({
      ...options,
      generateCode: false,
      protect,
      resources: [
        component("Host", "host"),
        component("HetznerServer", "machine", "host"),
        component("HostFirewall", "wall", "host"),
        {
          type: resourceTypes.server,
          name: "server",
          logicalName: `${host}-server`,
          id: String(made.serverId),
          parent: "machine",
        },
        {
          type: resourceTypes.firewall,
          name: "firewall",
          logicalName: `${host}-firewall`,
          id: String(made.firewallId),
          parent: "wall",
        },
      ],
    }),
  );
}
