import { z } from "zod";
import { windowLabel } from "../../core/host/window/window.ts";
import { isFirewall, isServer } from "../firewalls.ts";
import { listOf, recordOf, rule, textOf } from "../rule.ts";

export const danglingWindow = rule({
  name: "dangling-window",
  severity: "critical",
  description: "No installation window is declared, and no server is behind a firewall that is not in the stack.",
  reason:
    "An installation opens a window and closes it again. A window that is declared, or left on a server, is an open port that nothing closes.",
  fix: "Remove it from the program. To close a leftover one: clawdlets lockdown --host NAME",
  settings: z.object({
    foreign: z
      .array(z.number())
      .default([])
      .describe("ids of external firewalls that servers of this stack may be behind"),
  }),
  scope: "stack",
  check(resources, { foreign }) {
    const firewalls = resources.filter(isFirewall);
    const own = new Set([...firewalls.flatMap(({ props }) => textOf(props["id"]) ?? []), ...foreign.map(String)]);
    const declared = firewalls.flatMap(({ urn, props }) => {
      const isWindow = windowLabel in recordOf(props["labels"]) || /-window(-|$)/.test(textOf(props["name"]) ?? "");
      return isWindow ? [{ urn, message: "is a permanently declared installation window" }] : [];
    });
    const left = resources.filter(isServer).flatMap(({ urn, props }) =>
      listOf(props["firewallIds"])
        .filter((id) => typeof id === "number" && !own.has(String(id)))
        .map((id) => ({ urn, message: `is behind the firewall ${String(id)}, which is not in the stack` })),
    );
    return [...declared, ...left];
  },
});
