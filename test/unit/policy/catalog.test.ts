import { expect, test } from "vitest";
import { systemImages } from "../../../emulator/catalog/images.ts";
import { serverTypes } from "../../../emulator/catalog/server-types.ts";
import { deprecatedImages, deprecatedTypes, monthlyEur } from "../../../policy/catalog.ts";

test("prices and deprecations are those that the emulator's API tells", () => {
  expect(monthlyEur).toEqual(Object.fromEntries(serverTypes.map(({ name, monthlyNet }) => [name, monthlyNet])));
  const endingTypes = serverTypes.flatMap(({ name, deprecation }) =>
    deprecation ? [[name, deprecation.unavailable_after.slice(0, 10)] as const] : [],
  );
  expect(deprecatedTypes).toEqual(Object.fromEntries(endingTypes));
  const endingImages = systemImages.flatMap(({ name, deprecated }) =>
    deprecated === null ? [] : [[name, deprecated.slice(0, 10)] as const],
  );
  expect(deprecatedImages).toEqual(Object.fromEntries(endingImages));
});
