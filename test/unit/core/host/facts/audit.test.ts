import { describe, expect, it } from "vitest";
import { auditFindings } from "../../../../../core/host/facts/audit.ts";

const facts = {
  systemPath: "/nix/store/a-nixos",
  nextSystem: "/nix/store/a-nixos",
  bootId: "b",
  installId: "i",
  state: "running",
  failed: [],
  bots: {},
  rekey: null,
  activation: null,
};
const findingOf = (tailnet: string) =>
  auditFindings({ ...facts, tailnet }, { host: "web-1", installId: "i", missingSecrets: [] }).find(
    ({ what }) => what === "tailnet",
  );

describe("the audit's finding about the tailnet", () => {
  it.each([
    ["joined", { what: "tailnet", ok: true, found: "joined" }],
    [
      "not joined: backend error: authkey already used",
      { ok: false, found: expect.stringMatching(/^not joined: .* already used: clawdlets secrets edit/) },
    ],
  ])("is %s", (state, finding) => expect(findingOf(state)).toMatchObject(finding));

  it("is wrong while the host's new device is not confirmed", () => {
    const rekey = "the host is a new device, which is not confirmed yet";
    const expected = { host: "web-1", installId: "i", missingSecrets: [] };
    const found = auditFindings({ ...facts, tailnet: "joined", rekey }, expected);
    expect(found).toContainEqual({ what: "tailnet", ok: false, found: rekey });
  });

  it("is left out where the host has no unit for it", () => expect(findingOf("")).toBeUndefined());
});
