import { z } from "zod";
import { isServer } from "../firewalls.ts";
import { rule } from "../rule.ts";

const allow = z.array(z.string()).default([]).describe("names of servers that may be unprotected, e.g. in a demo");

export const serverUnprotected = rule({
  name: "server-unprotected",
  severity: "high",
  description: "Servers are protected against deletion and rebuilding, at Hetzner and in the engine.",
  reason:
    "A deleted or rebuilt server is a wiped disk. Hetzner's protection covers the console and the API, the engine's covers `pulumi destroy`, because the provider lifts Hetzner's automatically.",
  fix: 'Set deleteProtection, rebuildProtection and the resource option protect (clawdlets:protect: true), or name the server in this rule\'s setting "allow".',
  settings: z.object({ allow }),
  scope: "resource",
  check: (resources, settings) =>
    resources.filter(isServer).flatMap(({ urn, name, props, protect }) => {
      if (settings.allow.includes(name) || settings.allow.some((each) => each === props["name"])) return [];
      const missing = [
        ...(props["deleteProtection"] === true ? [] : ["deleteProtection"]),
        ...(props["rebuildProtection"] === true ? [] : ["rebuildProtection"]),
        ...(protect ? [] : ["the resource option protect"]),
      ];
      return missing.length === 0 ? [] : [{ urn, message: `lacks ${missing.join(" and ")}` }];
    }),
});

/** Inputs that Hetzner reads only at creation; the provider replaces the server when they change. */
const createOnly = ["image", "location", "sshKeys", "userData"];

export const serverReplaceable = rule({
  name: "server-replaceable",
  severity: "critical",
  description: "No change of its inputs replaces a server.",
  reason:
    "The provider replaces a server, and with it its disk, when an input changes that Hetzner reads only at creation (hetznercloud/terraform-provider-hcloud#737, #372, #338).",
  fix: `Add ignoreChanges: ${JSON.stringify(createOnly)} to the server's resource options, as components/hetzner-server.ts does.`,
  settings: z.object({
    createOnly: z.array(z.string()).default(createOnly).describe("properties whose change replaces a server"),
    allow,
  }),
  scope: "resource",
  check: (resources, settings) =>
    resources.filter(isServer).flatMap(({ urn, name, props, ignoreChanges }) => {
      if (settings.allow.includes(name) || ignoreChanges.includes("*")) return [];
      const open = settings.createOnly.filter((key) => props[key] !== undefined && !ignoreChanges.includes(key));
      return open.length === 0
        ? []
        : [{ urn, message: `would be replaced, disk and all, by a changed ${open.join(", ")}` }];
    }),
});
