import { describe, expect, it } from "vitest";
import { problemLine } from "../../../../../../core/base/problem.ts";
import { adminIpv6Problems, bakeProblems } from "../../../../../../core/project/settings/server/ipv6-only.ts";
import { checkStackConfig } from "../../../../../../core/project/settings/stack-config/check.ts";
import { publicKey, recipient } from "../../../../../_project.ts";

const least = { serverType: "cx43", ageRecipient: recipient, sshHostKey: publicKey, adminSshKeys: [publicKey] };
const check = (change: object) => checkStackConfig({ ...least, ...change }, "stacks/Pulumi.web-1.yaml");

describe("a host without a public IPv4 address", () => {
  it.each<[unknown, boolean | undefined]>([
    [undefined, true],
    [true, true],
    ["true", true],
    [false, false],
    ["false", false],
    ["no", undefined],
    [0, undefined],
    ["", undefined],
  ])("ipv4Enabled %j is read as %j", (ipv4Enabled, read) => {
    expect(check({ ipv4Enabled, rebuild: { buildOn: "local" } }).value?.ipv4Enabled).toBe(read);
  });

  it.each<[object, boolean, boolean]>([
    [{}, true, true],
    [{ buildOn: "host" }, true, true],
    [{}, false, false],
    [{ buildOn: "host" }, false, false],
    [{ buildOn: "local" }, false, true],
    [{ buildOn: "ssh://nix@builder.example.com", builderKey: publicKey }, false, true],
    [{ source: "send" }, false, true],
    [{ source: "fetch" }, false, false],
    [{ enabled: false }, false, true],
    [{ enabled: false, buildOn: "host" }, false, true],
  ])("rebuild %j with ipv4Enabled %j is allowed: %j", (rebuild, ipv4Enabled, allowed) => {
    const { problems, value } = check({ rebuild, ipv4Enabled });
    expect(value !== undefined).toBe(allowed);
    if (allowed) return;
    expect(problems).toMatchObject([{ code: "invalid-value", setting: "clawdlets:rebuild.buildOn" }]);
    expect(problems.map(problemLine).join()).toContain("GitHub has no IPv6, so it could not fetch its commits");
  });

  it.each([
    ["203.0.113.7/32", true, true],
    ["203.0.113.7/32", false, false],
    ["2001:db8:1:2::/64", false, true],
    ["::1/128", false, true],
  ])("the admin network %s with ipv4Enabled %j is allowed: %j", (adminCidr, ipv4Enabled, allowed) => {
    const problems = adminIpv6Problems({ host: "web-1", ipv4Enabled }, adminCidr, ".clawdlets/stack.json");
    const refused = { code: "settings-disagree", setting: "hosts.web-1.opentofu.adminCidr" };
    expect(problems).toMatchObject(allowed ? [] : [refused]);
  });

  it.each([
    ["full", "debian-12", true, true],
    ["full", "debian-12", false, true],
    ["snapshot", "250000001", true, true],
    ["snapshot", "250000001", false, false],
  ])("install.mode %s with image %s and ipv4Enabled %j is allowed: %j", (mode, image, ipv4Enabled, allowed) => {
    const { problems } = check({ install: { mode }, image, ipv4Enabled, rebuild: { buildOn: "local" } });
    const refused = { code: "settings-disagree", setting: "clawdlets:install.mode" };
    expect(problems).toMatchObject(allowed ? [] : [refused]);
  });

  it("is refused by image bake before anything is bought", () => {
    expect(bakeProblems({ ipv4Enabled: true }, "stacks/Pulumi.web-1.yaml")).toEqual([]);
    const refused = { code: "settings-disagree", setting: "clawdlets:ipv4Enabled" };
    expect(bakeProblems({ ipv4Enabled: false }, "stacks/Pulumi.web-1.yaml")).toMatchObject([refused]);
  });
});
