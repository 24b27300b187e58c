import { describe, expect, it } from "vitest";
import { policyFor } from "../../../../../core/host/tailnet/policy.ts";

const tags = ["tag:bot-host", "tag:eu"];

describe("the policy for bot hosts", () => {
  it("lets admins reach port 22 and ssh, and hosts nobody: on Tailscale with grants, tested", () => {
    expect(policyFor("tailscale", tags, [])).toEqual({
      tagOwners: { "tag:bot-host": ["autogroup:admin"], "tag:eu": ["autogroup:admin"] },
      grants: [{ src: ["autogroup:admin"], dst: tags, ip: ["tcp:22"] }],
      ssh: [{ action: "accept", src: ["autogroup:admin"], dst: tags, users: ["admin"] }],
      tests: [
        {
          src: "tag:bot-host",
          proto: "tcp",
          accept: [],
          deny: ["tag:bot-host:22", "tag:bot-host:443", "tag:eu:22", "tag:eu:443"],
        },
      ],
    });
  });

  it("does the same on headscale with ACLs, for a group of its users", () => {
    expect(policyFor("headscale", ["tag:bot-host"], ["you@", "me@"])).toEqual({
      groups: { "group:bot-host-admins": ["you@", "me@"] },
      tagOwners: { "tag:bot-host": ["group:bot-host-admins"] },
      acls: [{ action: "accept", proto: "tcp", src: ["group:bot-host-admins"], dst: ["tag:bot-host:22"] }],
      ssh: [{ action: "accept", src: ["group:bot-host-admins"], dst: ["tag:bot-host"], users: ["admin"] }],
    });
  });

  it.each(["tailscale", "headscale"] as const)("never has a host as its source: %s", (tailnet) => {
    const { grants = [], acls = [], ssh } = policyFor(tailnet, tags, ["you@example.com"]);
    expect([...grants, ...acls, ...ssh].flatMap(({ src }) => src).filter((src) => /^tag:|^\*$/.test(src))).toEqual([]);
  });

  it("needs to know headscale's users", () => {
    expect(() => policyFor("headscale", tags, [])).toThrow("--admin you@");
  });

  it.each(["*", "tag:bot-host", "", "autogroup:internet", "you", "a b@c", "0.0.0.0/0", "you@example.com\n"])(
    "refuses %j as an admin",
    (admin) => {
      expect(() => policyFor("tailscale", tags, [admin])).toThrow("is not one; allowed:");
    },
  );

  it.each(["you@example.com", "group:ops", "autogroup:admin"])("takes %s as an admin", (admin) => {
    expect(policyFor("tailscale", tags, [admin]).grants?.[0]?.src).toEqual([admin]);
  });

  it("takes users alone with headscale, which has no groups in groups, and only there without a domain", () => {
    expect(policyFor("headscale", tags, ["you@", "you@example.com"]).acls).toHaveLength(1);
    for (const admin of ["group:ops", "autogroup:admin", "autogroup:member", "you", "tag:a@"]) {
      expect(() => policyFor("headscale", tags, [admin])).toThrow("headscale's users");
    }
    expect(() => policyFor("tailscale", tags, ["you@"])).toThrow("is not one; allowed:");
  });
});
