import { z } from "zod";
import { deprecatedImages, deprecatedTypes } from "../catalog.ts";
import { isServer } from "../firewalls.ts";
import { rule, textOf } from "../rule.ts";

export const deprecatedTypeOrImage = rule({
  name: "deprecated-type-or-image",
  severity: "medium",
  description: "No server is of a type or image that Hetzner has announced the end of.",
  reason: "Such a server can soon not be made again, in the middle of replacing one that broke.",
  mend: "Take a current type, e.g. cx43, or image, e.g. debian-12 (hcloud server-type list, hcloud image list).",
  settings: z.object({
    types: z.record(z.string(), z.string()).default({}).describe("further types, with the day they end"),
    images: z.record(z.string(), z.string()).default({}).describe("further images, with the day they end"),
    allow: z.array(z.string()).default([]).describe("types and images to accept all the same"),
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
