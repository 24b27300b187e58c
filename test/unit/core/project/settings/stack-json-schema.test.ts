import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { parseStackJson, stackJsonSchema } from "../../../../../core/project/settings/stack-json/stack-json.ts";
import { publicKey, upstreamStack } from "../../../../_project.ts";
import fc from "../../../../_properties.ts";

const validate = new Ajv({ strict: true, allErrors: true }).compile(stackJsonSchema());
const host = "clawdbot-fleet-host";
const entry = upstreamStack.hosts[host];
const withHost = (change: object) => ({ ...upstreamStack, hosts: { [host]: { ...entry, ...change } } });
const { opentofu, secrets } = entry;

describe("the JSON Schema of stack.json", () => {
  it("takes upstream's own example", () => expect(validate(upstreamStack)).toBe(true));

  it("describes every setting, for the editor to show", () => {
    const texts = [...JSON.stringify(stackJsonSchema()).matchAll(/"description":"[^"]{10,}"/g)];
    expect(texts.length).toBeGreaterThanOrEqual(10);
  });

  it("can be written to a file: it is plain JSON of draft 7", () => {
    expect(JSON.parse(JSON.stringify(stackJsonSchema()))).toEqual(stackJsonSchema());
    expect(stackJsonSchema()).toMatchObject({ $schema: "http://json-schema.org/draft-07/schema#" });
  });

  it.each<[string, unknown]>([
    ["another version", { ...upstreamStack, schemaVersion: 2 }],
    ["a version as text", { ...upstreamStack, schemaVersion: "3" }],
    ["an unknown key", { ...upstreamStack, fleet: {} }],
    ["an unknown key of a host", withHost({ flakeHots: "x" })],
    ["no hosts", { schemaVersion: 3 }],
    ["no host", { schemaVersion: 3, hosts: {} }],
    ["a host name", { ...upstreamStack, hosts: { Web: entry } }],
    ["a host that is not an object", { ...upstreamStack, hosts: { web: 1 } }],
    ["no key file", withHost({ opentofu: { adminCidr: opentofu.adminCidr } })],
    ["an empty text", withHost({ flakeHost: "" })],
    ["an option for ssh", withHost({ targetHost: " -oProxyCommand=x" })],
    ["a CIDR without prefix", withHost({ opentofu: { ...opentofu, adminCidr: "203.0.113.10" } })],
    ["a key for its path", withHost({ opentofu: { ...opentofu, sshPubkeyFile: publicKey } })],
    ["a private key for its path", withHost({ opentofu: { ...opentofu, sshPubkeyFile: "-----BEGIN OPENSSH" } })],
    ["an absolute folder", withHost({ secrets: { ...secrets, localDir: " /abs" } })],
    ["a folder above", withHost({ secrets: { ...secrets, localDir: "../x" } })],
    ["a folder at home", withHost({ secrets: { ...secrets, localDir: "~/x" } })],
    [".clawdlets itself", withHost({ secrets: { ...secrets, localDir: "../../../../core/project/settings/" } })],
    ["a remote folder elsewhere", withHost({ secrets: { ...secrets, remoteDir: "/etc/x" } })],
    ["a remote folder with ..", withHost({ secrets: { ...secrets, remoteDir: "/var/lib/../x" } })],
    ["a list", []],
    ["null", null],
  ])("refuses %s", (_, stack) => {
    expect(validate(stack)).toBe(false);
    expect(parseStackJson(JSON.stringify(stack), "stack.json").problems).not.toEqual([]);
  });

  it("takes whatever we take", () => {
    let taken = 0;
    fc.assert(
      fc.property(stacks(), (stack) => {
        if (parseStackJson(JSON.stringify(stack), "stack.json").problems.length > 0) return;
        taken++;
        expect(validate(stack), JSON.stringify(validate.errors)).toBe(true);
      }),
      { numRuns: 5000 },
    );
    // Otherwise this would have shown nothing.
    expect(taken).toBeGreaterThan(500);
  });
});

/** Files that are nearly right: values are mostly some that are taken, sometimes odd ones, rarely of another type. */
function stacks(): fc.Arbitrary<unknown> {
  const blank = fc.constantFrom("", "", "", " ", "\t", "\n", "\uFEFF", "\u00a0 ");
  const padded = (values: string[]) =>
    fc.tuple(blank, fc.constantFrom(...values), blank).map((parts) => parts.join(""));
  const mostly = (values: string[]) =>
    fc.oneof(
      { arbitrary: padded(values), weight: 60 },
      { arbitrary: fc.string({ unit: "binary", maxLength: 12 }), weight: 1 },
      { arbitrary: fc.stringMatching(/^[-./~$A-Za-z0-9 ]{1,12}$/), weight: 4 },
      { arbitrary: fc.anything({ maxDepth: 1 }), weight: 1 },
    );
  const below = ["a", "./a", "a/../b", "..a", "a/b/../../c", "~", "~a", "$HOMEs", "a/", ".a", "...", "a//b"];
  const optional = { requiredKeys: [] };
  const entry = fc.record(
    {
      flakeHost: mostly(["web-1", "web.1", "ä"]),
      targetHost: mostly(["botsmj", "admin@100.64.0.7", "a b"]),
      hetzner: fc.record({ serverType: mostly(["cx43", "CX43"]) }),
      opentofu: fc.record({
        adminCidr: mostly(["203.0.113.7/32", "2001:db8::/64", "2a01:4f8::1/128", "2001:DB8::1/128", "17.0.0.0/8"]),
        sshPubkeyFile: mostly(["~/.ssh/id.pub", "k", "ssh-keys dir/x.pub", "----BEGIN", "sk-a b", "/a b"]),
      }),
      secrets: fc.record({
        localDir: mostly(below),
        remoteDir: mostly(["/var/lib/x", "/var/lib/.x/y", "/var/lib/..."]),
      }),
    },
    { requiredKeys: ["flakeHost", "hetzner", "opentofu", "secrets"] },
  );
  return fc.record(
    {
      $schema: fc.string(),
      schemaVersion: fc.constantFrom(3, 3, 3, 3, 3, 3, 2, "3"),
      base: fc.record({ flake: mostly(["github:you/hosts", "./x"]) }, optional),
      envFile: mostly(below),
      hosts: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,4}$/), entry, { maxKeys: 2 }),
    },
    { requiredKeys: ["schemaVersion", "hosts"] },
  );
}
