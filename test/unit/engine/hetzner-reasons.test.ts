import { describe, expect, it } from "vitest";
import { adviceOn } from "../../../engine/hetzner-reasons.ts";

/** Errors as Hetzner's provider words them, after the engine's own lines. */
const failed = (code: string) => [
  "1 error occurred:",
  `\t* updating urn:pulumi:web-1::x: 1 error occurred:\n\t* refused (${code})\n`,
];

describe("the advice on an error of Hetzner's", () => {
  it.each(["maintenance", "unavailable", "locked", "conflict", "service_error"])(
    "%s: again later, as it passes",
    (code) => expect(adviceOn(failed(code))).toContain("Run the same command again in a few minutes"),
  );

  it("a firewall that a label selector applies has to be let go in the console", () => {
    expect(adviceOn(failed("firewall_managed_by_label_selector"))).toContain(
      "Remove the selector in Hetzner's console",
    );
  });

  it.each(["uniqueness_error", "resource_limit_exceeded", "placement_error", "forbidden"])(
    "%s does not pass by waiting",
    (code) => expect(adviceOn(failed(code))).toBeUndefined(),
  );

  it("says nothing about a text that only mentions such a word", () => {
    expect(adviceOn(["the server is locked (see above)", "maintenance (maintenance) window"])).toBeUndefined();
  });
});
