import { z } from "zod";
import { isServer } from "../firewalls.ts";
import { rule, unknown } from "../rule.ts";

export const serverWithoutFirewall = rule({
  name: "server-without-firewall",
  severity: "critical",
  description: "Every server is created behind a firewall.",
  reason:
    "Only firewalls named when the server is created are in force before its first boot; a firewall attached later leaves every port open until then.",
  fix: "Set firewallIds on the server. A FirewallAttachment is too late.",
  settings: z.object({}),
  scope: "resource",
  check: (resources) =>
    resources.filter(isServer).flatMap(({ urn, props }) => {
      const ids = props["firewallIds"];
      if (ids === unknown || (Array.isArray(ids) && ids.length > 0)) return [];
      return [{ urn, message: "is created without a firewall (no firewallIds)" }];
    }),
});
