import { z } from "zod";
import { opensSsh } from "../../core/project/firewall/opens-ssh.ts";
import { isFirewall, rulesOf } from "../firewalls.ts";
import { rule } from "../rule.ts";

export const sshOpenAtRest = rule({
  name: "ssh-open-at-rest",
  severity: "high",
  description: "A host on a tailnet declares no rule for TCP/22.",
  reason:
    "The installation opens its own window and closes it again. A declared rule stays open for the life of the host.",
  fix: 'Remove the rule, or declare that the port should be open: clawdlets:sshExposure: public in the stack file (settings: {"exposure": "public"} for programs without it).',
  settings: z.object({
    exposure: z
      .enum(["stack", "tailnet", "public"])
      .default("stack")
      .describe(
        "who may reach TCP/22 after the installation; stack: the value of clawdlets:sshExposure, by default tailnet",
      ),
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
          message: `permanently opens TCP/22 to ${source_ips.join(" and ")} (port ${port ?? "any"}), but the host should be reachable only over the tailnet`,
        })),
    );
  },
});
