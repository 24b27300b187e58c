import { z } from "zod";
import { opensSsh } from "../../core/project/firewall/opens-ssh.ts";
import { isFirewall, rulesOf } from "../firewalls.ts";
import { rule } from "../rule.ts";

export const sshOpenAtRest = rule({
  name: "ssh-open-at-rest",
  severity: "high",
  description: "A host that is reached over its tailnet declares no way in on TCP/22.",
  reason:
    "The installation opens a window of its own and closes it; a rule that is declared stays open for as long as the host lives.",
  mend: 'Remove the rule, or say that the port is meant to be open: clawdlets:sshExposure: public in the stack file (settings: {"exposure": "public"} for programs without it).',
  settings: z.object({
    exposure: z
      .enum(["stack", "tailnet", "public"])
      .default("stack")
      .describe("who may reach TCP/22 at rest; stack: as clawdlets:sshExposure says, tailnet where it says nothing"),
  }),
  scope: "resource",
  check(resources, { exposure }, { config }) {
    const mode = exposure === "stack" ? (config["clawdlets:sshExposure"] ?? "tailnet") : exposure;
    if (mode === "public") return [];
    return resources.filter(isFirewall).flatMap((firewall) =>
      rulesOf(firewall)
        .filter(opensSsh)
        .map(({ port, source_ips = [] }) => ({
          urn: firewall.urn,
          message: `opens TCP/22 at rest to ${source_ips.join(" and ")} (port ${port ?? "any"}), but the host is to be reached over the tailnet alone`,
        })),
    );
  },
});
