import { z } from "zod";
import { opensSsh, opensSshToTheWorld } from "../../core/project/firewall/opens-ssh.ts";
import { firewallsOf, isFirewall, isServer, rulesOf } from "../firewalls.ts";
import { rule } from "../rule.ts";

const reason =
  "A port open to the whole internet is attacked within minutes. Rules add up, within a firewall and between the firewalls of a server, so two halves (0.0.0.0/1 and 128.0.0.0/1), ::/0 or a port range 1-1024 open as much as 0.0.0.0/0 on port 22. More than a /8 of IPv4 or a /19 of IPv6 in all counts as the world (core/project/firewall/address-set.ts).";
const fix = "List your own network in sourceIps, e.g. 203.0.113.7/32, or remove the rule and use the tailnet.";

const networks = (rules: Parameters<typeof opensSshToTheWorld>[0]) =>
  rules
    .filter(opensSsh)
    .map(({ port, source_ips = [] }) => `${source_ips.join(" and ")} on port ${port ?? "any"}`)
    .join(", and ");

/** One firewall, before it is created. */
export const sshOpenToTheWorld = rule({
  name: "ssh-open-to-the-world",
  severity: "critical",
  description: "No firewall lets the whole internet reach TCP/22, however its rules are written.",
  reason,
  fix,
  settings: z.object({}),
  scope: "resource",
  check: (resources) =>
    resources.filter(isFirewall).flatMap((firewall) => {
      const rules = rulesOf(firewall);
      if (!opensSshToTheWorld(rules)) return [];
      return [
        { urn: firewall.urn, message: `its rules together open TCP/22 to the whole internet: ${networks(rules)}` },
      ];
    }),
});

/** Several firewalls of one server, each harmless on its own. */
export const sshOpenTogether = rule({
  name: "ssh-open-together",
  severity: "critical",
  description: "The firewalls of one server do not together let the whole internet reach TCP/22.",
  reason,
  fix,
  settings: z.object({}),
  scope: "stack",
  check: (resources) =>
    resources.filter(isServer).flatMap((server) => {
      const firewalls = firewallsOf(server, resources).toSorted((a, b) => a.name.localeCompare(b.name));
      const rules = firewalls.flatMap(rulesOf);
      // A firewall that is open on its own is reported by the other rule.
      if (!opensSshToTheWorld(rules) || firewalls.some((each) => opensSshToTheWorld(rulesOf(each)))) return [];
      const names = firewalls.map(({ name }) => name).join(" and ");
      return [{ urn: server.urn, message: `${names} together open TCP/22 to the whole internet: ${networks(rules)}` }];
    }),
});
