import { z } from "zod";
import { deprecatedImages, deprecatedTypes } from "../catalog.ts";
import { isServer } from "../firewalls.ts";
import { rule, textOf } from "../rule.ts";

export const deprecatedTypeOrImage = rule({
  name: "deprecated-type-or-image",
  severity: "medium",
  description: "No server uses a type or image that Hetzner is discontinuing.",
  reason: "Soon such a server cannot be created again, not even to replace a broken one.",
  fix: "Use a current type, e.g. cx43, or image, e.g. debian-12 (hcloud server-type list, hcloud image list).",
  settings: z.object({
    types: z.record(z.string(), z.string()).default({}).describe("additional types, with their last day"),
    images: z.record(z.string(), z.string()).default({}).describe("additional images, with their last day"),
    allow: z.array(z.string()).default([]).describe("types and images to allow anyway"),
  }),
  scope: "resource",
  check: (resources, { types, images, allow }) =>
    resources.filter(isServer).flatMap(({ urn, props }) => {
      const look = (what: string, value: unknown, ends: Readonly<Record<string, string>>) => {
        const name = textOf(value) ?? "";
        const day = Object.hasOwn(ends, name) && !allow.includes(name) ? ends[name] : undefined;
        return day === undefined ? [] : [{ urn, message: `its ${what} ${name} is deprecated (${day})` }];
      };
      return [
        ...look("type", props["serverType"], { ...deprecatedTypes, ...types }),
        ...look("image", props["image"], { ...deprecatedImages, ...images }),
      ];
    }),
});
