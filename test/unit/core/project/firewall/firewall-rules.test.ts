import { describe, expect, it } from "vitest";
import { problemSentence } from "../../../../../core/base/problem.ts";
import { checkStackConfig } from "../../../../../core/project/settings/stack-config/check.ts";
import { publicKey, recipient } from "../../../../_project.ts";

const base = { serverType: "cx43", ageRecipient: recipient, sshHostKey: publicKey, adminSshKeys: [publicKey] };
const check = (firewallRules: unknown) => checkStackConfig({ ...base, firewallRules }, "stacks/Pulumi.web-1.yaml");
const world = ["0.0.0.0/0", "::/0"];

describe("clawdlets:firewallRules", () => {
  it("is a list in the file, and JSON text from the engine", () => {
    const rules = [{ protocol: "tcp", port: 443, sourceIps: world, description: "web" }];
    const read = [{ protocol: "tcp", port: "443", sourceIps: world, description: "web" }];
    expect(check(rules).value?.firewallRules).toEqual(read);
    expect(check(JSON.stringify(rules)).value?.firewallRules).toEqual(read);
    expect(checkStackConfig(base, "x").value?.firewallRules).toEqual([]);
  });

  it.each(["1-21", "23-65535", 443, "21", 23])("takes port %j from the world", (port) => {
    expect(check([{ protocol: "tcp", port, sourceIps: world }]).problems).toEqual([]);
  });

  it.each([22, "22", "any", "1-22", "22-65535", "1-65535"])(
    "refuses port %j even for one address: the file is public",
    (port) => {
      const [problem, ...others] = check([
        { protocol: "tcp", port: 80, sourceIps: world },
        { protocol: "tcp", port, sourceIps: ["203.0.113.7/32"] },
      ]).problems;
      expect(problem?.setting).toBe("clawdlets:firewallRules.1");
      expect(problem && problemSentence(problem)).toMatch(
        /opens TCP\/22; allowed: ports without 22\. sshExposure: "public"/,
      );
      expect(others).toEqual([]);
    },
  );

  it.each<[unknown, string, RegExp]>([
    ["443", "clawdlets:firewallRules", /allowed: a list of rules/],
    [[{ protocol: "tcp", sourceIps: world }], "clawdlets:firewallRules.0.port", /^missing; allowed: a port/],
    [
      [{ protocol: "tcp", prot: 1, port: 443, sourceIps: world }],
      "clawdlets:firewallRules.0.prot",
      /did you mean "port"|did you mean "protocol"/,
    ],
    [[{ protocol: "udp", port: "1-70000", sourceIps: world }], "clawdlets:firewallRules.0.port", /is "1-70000"/],
    [[{ protocol: "esp", sourceIps: ["10.0.0.1/8"] }], "clawdlets:firewallRules.0.sourceIps.0", /write 10\.0\.0\.0\/8/],
  ])("refuses %j at its place", (rules, setting, message) => {
    const [problem] = check(rules).problems;
    expect([problem?.setting, problem && problemSentence(problem)]).toEqual([setting, expect.stringMatching(message)]);
  });
});

describe("clawdlets:sshExposure", () => {
  it.each(["tailnet", "public", "bootstrap"])("takes %s", (sshExposure) =>
    expect(checkStackConfig({ ...base, sshExposure }, "x").value?.sshExposure).toBe(sshExposure),
  );
  it("refuses anything else, and says what is allowed", () =>
    expect(checkStackConfig({ ...base, sshExposure: "open" }, "x").problems.map(problemSentence)[0]).toMatch(
      /is "open"; allowed: "tailnet", "public" or "bootstrap"/,
    ));
});
