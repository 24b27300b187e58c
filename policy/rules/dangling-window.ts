import { z } from "zod";
import { windowLabel } from "../../core/host/window/window.ts";
import { isFirewall, isServer } from "../firewalls.ts";
import { listOf, recordOf, rule, textOf } from "../rule.ts";

export const danglingWindow = rule({
  name: "dangling-window",
  severity: "critical",
  description: "No installation window is declared, and no server keeps a firewall that the stack does not know.",
  reason:
    "A window is opened and closed by an installation. One that is declared, or left on a server, is an open port that nobody closes.",
  mend: "Remove it from the program. One that was left behind: clawdlets lockdown --host NAME.",
  settings: z.object({
    foreign: z
      .array(z.number())
      .default([])
      .describe("ids of firewalls made elsewhere that servers of this stack may be behind"),
  }),
  scope: "stack",
  check(resources, { foreign }) {
    const firewalls = resources.filter(isFirewall);
    const own = new Set([...firewalls.flatMap(({ props }) => textOf(props["id"]) ?? []), ...foreign.map(String)]);
    const declared = firewalls.flatMap(({ urn, props }) => {
      const isWindow = windowLabel in recordOf(props["labels"]) || /-window(-|$)/.test(textOf(props["name"]) ?? "");
      return isWindow ? [{ urn, message: "is an installation window, declared as if it were to stay" }] : [];
    });
    const left = resources.filter(isServer).flatMap(({ urn, props }) =>
      listOf(props["firewallIds"])
        .filter((id) => typeof id === "number" && !own.has(String(id)))
        .map((id) => ({ urn, message: `is behind the firewall ${String(id)}, which the stack does not know` })),
    );
    return [...declared, ...left];
  },
});
