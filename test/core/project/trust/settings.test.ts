import { generateIdentity, identityToRecipient } from "age-encryption";
import { beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { z } from "zod";
import { type StackConfig, stackConfig } from "../../../../core/project/settings/stack-config/stack-config.ts";
import { changedSettings, settingClasses } from "../../../../core/project/trust/settings.ts";
import { newKeyPair } from "../../../../emulator/machine/key-pair.ts";

type Settings = Record<string, unknown>;

const recipient = async () => identityToRecipient(await generateIdentity());
const key = () => `${newKeyPair().public} someone`;
let base: Settings;
let other: { ageRecipient: string; key: string };
beforeAll(async () => {
  base = { serverType: "cx43", ageRecipient: await recipient(), sshHostKey: key(), adminSshKeys: [key()] };
  other = { ageRecipient: await recipient(), key: key() };
});

const builderKeys = [newKeyPair().public, newKeyPair().public] as const;
const builder = (name: string, builderKey: string = builderKeys[0]) => ({
  rebuild: { buildOn: `ssh://${name}`, builderKey },
});

const file = "stacks/Pulumi.web-1.yaml";
const textOf = (settings: Settings, more: Settings = {}) =>
  stringify(
    {
      ...more,
      config: Object.fromEntries(
        Object.entries(settings).map(([name, value]) => [name.includes(":") ? name : `clawdlets:${name}`, value]),
      ),
    },
    { lineWidth: 0 },
  );
const changed = (before: Settings | undefined, after: Settings) =>
  changedSettings("web-1", file, before && textOf({ ...base, ...before }), textOf({ ...base, ...after }));
const named = (before: Settings | undefined, after: Settings) =>
  changed(before, after).map(({ setting, dangerous }) => [setting?.replace("clawdlets:", ""), dangerous]);

/** The leaves of the schema itself: through defaults, preprocessing and options. */
function leavesOf(schema: z.ZodType, path: string[] = []): string[] {
  const { def } = schema as unknown as { def: { type: string; innerType?: z.ZodType; out?: z.ZodType } };
  if (def.type === "object") {
    const { shape } = schema as z.ZodObject;
    return Object.entries(shape).flatMap(([name, each]) => leavesOf(each as z.ZodType, [...path, name]));
  }
  const inner = def.innerType ?? def.out;
  return inner ? leavesOf(inner, path) : [path.join(".")];
}

test("every setting of the schema has a class, and no other name has one", () => {
  expect(Object.keys(settingClasses).sort()).toEqual(leavesOf(stackConfig).sort());
});

const rule = (port: string, ...sourceIps: string[]) => ({ protocol: "tcp", port, sourceIps });
const install = (settings: Settings) => ({ install: settings });
const deadline = (window: number) => install({ deadlines: { window } });

describe("a change of one setting", () => {
  const dangerous: [string, Settings, Settings][] = [
    ["image", {}, { image: "debian-13" }],
    ["flake", {}, { flake: "github:them/hosts" }],
    ["flake", { flake: "github:us/hosts" }, {}],
    ["flake", { flake: "github:us/hosts" }, { flake: "github:them/hosts" }],
    ["flakeHost", {}, { flakeHost: "web-2" }],
    ["sshExposure", {}, { sshExposure: "public" }],
    ["sshExposure", { sshExposure: "public" }, { sshExposure: "bootstrap" }],
    ["firewallRules", {}, { firewallRules: [rule("443", "0.0.0.0/0")] }],
    ["firewallRules", { firewallRules: [rule("443", "10.0.0.0/8")] }, { firewallRules: [rule("443", "0.0.0.0/0")] }],
    ["firewallRules", { firewallRules: [rule("443", "::/0")] }, { firewallRules: [rule("442-443", "::/0")] }],
    ["tailnet", {}, { tailnet: "none" }],
    ["tailnet", { tailnet: "none" }, {}],
    ["tailnetLoginServer", {}, { tailnetLoginServer: "https://them.invalid" }],
    ["tailnetTags", { tailnetTags: ["tag:bot-host"] }, { tailnetTags: ["tag:admin"] }],
    ["reinstall", {}, { reinstall: 1 }],
    ["protect", {}, { protect: false }],
    ["install.disk", {}, install({ disk: "/dev/sdb" })],
    ["install.kexec", {}, install({ kexec: "https://them.invalid/k.tar.gz" })],
    ["install.kexec", install({ kexec: "https://us.invalid/k.tar.gz" }), {}],
    ["install.substituters", {}, install({ substituters: ["https://them.invalid"] })],
    ["install.options", {}, install({ options: ["--no-use-machine-substituters"] })],
    ["install.deadlines.window", deadline(60), deadline(61)],
    ["rebuild.onUp", {}, { rebuild: { onUp: "newest" } }],
    ["rebuild.buildOn", builder("a.example"), builder("b.example")],
    ["rebuild.builderKey", builder("a.example"), builder("a.example", builderKeys[1])],
  ];
  test.each(dangerous)("of %s is dangerous: %j, %j", (setting, before, after) => {
    expect(named(before, after)).toEqual([[setting, true]]);
  });

  test("of keys and recipients is dangerous, and a further key is one", () => {
    for (const setting of ["ageRecipient", "sshHostKey", "adminSshKeys"] as const) {
      const theirs = setting === "ageRecipient" ? other.ageRecipient : other.key;
      const value = setting === "adminSshKeys" ? [...(base[setting] as string[]), theirs] : theirs;
      expect(named({}, { [setting]: value })).toEqual([[setting, true]]);
    }
    expect(changed({}, { ageRecipient: other.ageRecipient })[0]).toMatchObject({
      before: base["ageRecipient"],
      after: other.ageRecipient,
    });
  });

  const changes: [string, Settings, Settings][] = [
    ["serverType", {}, { serverType: "cx53" }],
    ["location", {}, { location: "fsn1" }],
    ["sshExposure", { sshExposure: "public" }, { sshExposure: "tailnet" }],
    ["firewallRules", { firewallRules: [rule("443", "0.0.0.0/0")] }, {}],
    ["firewallRules", { firewallRules: [rule("80-90", "0.0.0.0/0")] }, { firewallRules: [rule("81", "10.0.0.0/8")] }],
    ["bots", {}, { bots: ["maren"] }],
    ["secrets", { secrets: ["a", "b"] }, { secrets: ["a"] }],
    ["tags", {}, { tags: ["eu"] }],
    ["protect", { protect: false }, {}],
    ["install.buildOn", {}, install({ buildOn: "remote" })],
    ["install.deadlines.window", deadline(60), deadline(59)],
    ["rebuild.deadline", {}, { rebuild: { deadline: 60 } }],
    ["rebuild.onUp", { rebuild: { onUp: "newest" } }, { rebuild: { onUp: "pinned" } }],
    ["rebuild.buildOn", {}, { rebuild: { buildOn: "local" } }],
  ];
  test.each(changes)("of %s is a change: %j, %j", (setting, before, after) => {
    expect(named(before, after)).toEqual([[setting, false]]);
  });
});

test("another spelling of the same is not a change", () => {
  const spelled = [
    [{}, { sshExposure: "tailnet", protect: true, install: { disk: "/dev/sda" }, flakeHost: "web-1" }],
    [{ bots: ["a", "b"] }, { bots: ["b", "a"] }],
    [{ tailnetTags: ["tag:a", "tag:b"] }, { tailnetTags: '["tag:b","tag:a"]' }],
    [{ bots: ["a"] }, { bots: '["a"]' }],
    [{ reinstall: 1 }, { reinstall: "1" }],
    [
      { firewallRules: [rule("80", "::/0", "0.0.0.0/0")] },
      { firewallRules: [{ sourceIps: ["0.0.0.0/0", "::/0"], port: 80, protocol: "tcp" }] },
    ],
  ] as const;
  for (const [before, after] of spelled) expect(changed(before, after)).toEqual([]);
  const text = textOf(base);
  const lines = text.trimEnd().split("\n");
  const reordered = [
    lines[0],
    ...lines.slice(1).filter((line) => !line.includes("serverType")),
    "  \"clawdlets:serverType\": 'cx43' # as before",
    "",
  ];
  expect(changedSettings("web-1", file, text, reordered.join("\n"))).toEqual([]);
});

describe("what is not ours in a stack file", () => {
  test.each<[string, Settings, Settings]>([
    ["hcloud:endpoint", { config: { "hcloud:endpoint": "https://them.invalid" } }, {}],
    ["secretsprovider", { secretsprovider: "awskms://x" }, {}],
    ["environment.0", { environment: ["theirs"] }, {}],
    ["encryptionsalt", { encryptionsalt: "v1:new" }, { encryptionsalt: "v1:old" }],
  ])("%s is dangerous", (setting, more, less) => {
    const text = ({ config = {}, ...rest }: Settings) => textOf({ ...base, ...(config as Settings) }, rest);
    const found = changedSettings("web-1", file, text(less), text(more));
    expect(found.map(({ setting, dangerous }) => [setting, dangerous])).toEqual([[setting, true]]);
  });

  test("a salt that the engine adds is a change", () => {
    const found = changedSettings("web-1", file, textOf(base), textOf(base, { encryptionsalt: "v1:new" }));
    expect(found).toEqual([expect.objectContaining({ setting: "encryptionsalt", dangerous: false })]);
  });
});

test("a setting that one side's schema does not know is compared as it is written, and dangerous", () => {
  expect(named({ "egress-of-tomorrow": "none" }, {})).toEqual([["egress-of-tomorrow", true]]);
});

test("a file that only some programs can read is dangerous as a whole", () => {
  const text = textOf(base).replace("config:", "x: &x 1\nconfig:");
  expect(changedSettings("web-1", file, text, `${text}# more\n`)).toEqual([
    { file, dangerous: true, why: "cannot be compared setting by setting" },
  ]);
});

test("a new host is compared with the defaults: its own keys are a change, a foreign flake is dangerous", () => {
  const required = ["serverType", "ageRecipient", "sshHostKey", "adminSshKeys"].map((setting) => [setting, false]);
  expect(named(undefined, {})).toEqual(required);
  expect(named(undefined, { flake: "github:them/hosts", protect: false, tags: ["eu"] })).toEqual([
    ...required,
    ["flake", true],
    ["protect", true],
    ["tags", false],
  ]);
});

test("a value is shown as it was and as it would be, commits shortened and no longer than a line", () => {
  const flake = (rev: string) => ({ flake: `github:us/hosts?rev=${rev.repeat(40)}` });
  expect(changed(flake("a"), flake("b"))).toEqual([
    {
      file,
      setting: "clawdlets:flake",
      before: "github:us/hosts?rev=aaaaaaaaaaaa…",
      after: "github:us/hosts?rev=bbbbbbbbbbbb…",
      dangerous: true,
    },
  ]);
  const config: Partial<StackConfig> = { secrets: Array.from({ length: 100 }, (_, index) => `secret-${index}`) };
  expect(changed({}, config)[0]?.after?.length).toBeLessThan(320);
});
