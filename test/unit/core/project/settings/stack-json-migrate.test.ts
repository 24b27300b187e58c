import { describe, expect, it } from "vitest";
import { migrateStackJson } from "../../../../../core/project/settings/stack-json/migrate.ts";
import { parseStackJson } from "../../../../../core/project/settings/stack-json/stack-json.ts";
import { upstreamStack } from "../../../../_project.ts";

const cidr = { adminCidr: "203.0.113.10/32", sshPubkeyFile: "~/.ssh/id_ed25519.pub" };
const files = { localFile: "secrets/hosts/bots01.yaml", remoteFile: "/var/lib/clawdlets/secrets/hosts/bots01.yaml" };
const folders = { localDir: "secrets/hosts/bots01", remoteDir: "/var/lib/clawdlets/secrets/hosts/bots01" };
const rest = { flakeHost: "bots01", targetHost: "botsmj", hetzner: { serverType: "cx43" } };
const stack = (schemaVersion: unknown, bots01: object) => ({ schemaVersion, envFile: ".env", hosts: { bots01 } });

/** Upstream's own examples: docs/stack.md at 02524f4 (schema 1) and at 09bbba0 (schema 2). */
const first = stack(1, { ...rest, terraform: cidr, secrets: files });
const second = stack(2, { ...rest, terraform: cidr, secrets: folders });
const third = stack(3, { ...rest, opentofu: cidr, secrets: folders });

describe("migrateStackJson", () => {
  it.each([
    ["1", first, third],
    ["2", second, third],
    ["1 that was half fixed", stack(1, { ...rest, opentofu: cidr, secrets: files }), third],
    ["1 with folders already", stack(1, { ...rest, terraform: cidr, secrets: folders }), third],
    ["2 with files still", stack(2, { ...rest, opentofu: cidr, secrets: files }), third],
    ["2 with opentofu already", stack(2, { ...rest, opentofu: cidr, secrets: folders }), third],
  ])("brings schema %s to 3", (_, old, next) => {
    const before = structuredClone(old);
    const { value, problems } = migrateStackJson(old);
    expect(problems).toEqual([]);
    expect(value).toEqual(next);
    expect(old).toEqual(before);
    // What comes out is what a reader of version 3 takes, and a second migration changes nothing.
    expect(parseStackJson(JSON.stringify(value), "stack.json").value).toEqual(next);
    expect(migrateStackJson(value).value).toBe(value);
  });

  it("keeps everything else, in its order, for every host", () => {
    const hosts = {
      "web-1": { ...rest, terraform: cidr, secrets: files },
      a: { secrets: files, terraform: cidr, ...rest },
    };
    const old = { $schema: "x.json", hosts, base: { flake: "github:you/hosts" }, schemaVersion: 1, envFile: "a.env" };
    expect(JSON.stringify(migrateStackJson(old).value)).toBe(
      JSON.stringify(old)
        .replaceAll('"terraform"', '"opentofu"')
        .replaceAll('"localFile"', '"localDir"')
        .replaceAll('"remoteFile"', '"remoteDir"')
        .replaceAll(".yaml", "")
        .replace('"schemaVersion":1', '"schemaVersion":3'),
    );
  });

  it.each([
    ["a.yaml", "a"],
    ["a.yml", "a"],
    ["a.YAML", "a"],
    [" a.yaml ", "a"],
    ["a.yaml.yaml", "a.yaml"],
    ["a.json", "a.json"],
    ["ayaml", "ayaml"],
    ["a.yaml/b", "a.yaml/b"],
  ])("makes of the file %j the folder %j", (localFile, localDir) => {
    const { value } = migrateStackJson(stack(1, { ...rest, terraform: cidr, secrets: { ...files, localFile } }));
    expect(value?.hosts["bots01"]?.secrets.localDir).toBe(localDir);
  });

  it("gives version 3 back as it came, blanks and all", () => {
    expect(migrateStackJson(upstreamStack).value).toBe(upstreamStack);
    const blanks = stack(3, { ...rest, flakeHost: " bots01 ", opentofu: cidr, secrets: folders });
    expect(migrateStackJson(blanks).value).toBe(blanks);
  });

  const [, text = ""] = ["", "hosts.bots01"];
  it.each<[string, unknown, (string | undefined)[]]>([
    [
      "version 3 with the keys of 2",
      stack(3, { ...rest, terraform: cidr, secrets: folders }),
      [`${text}.opentofu`, `${text}.terraform`],
    ],
    [
      "both terraform and opentofu",
      stack(2, { ...rest, terraform: cidr, opentofu: cidr, secrets: folders }),
      [`${text}.terraform`],
    ],
    [
      "both file and folder",
      stack(1, { ...rest, terraform: cidr, secrets: { ...files, ...folders } }),
      [`${text}.secrets.localFile`, `${text}.secrets.remoteFile`],
    ],
    [
      "a file outside .clawdlets",
      stack(1, { ...rest, terraform: cidr, secrets: { ...files, localFile: "/a.yaml" } }),
      [`${text}.secrets.localDir`],
    ],
    ["no secrets", stack(1, { ...rest, terraform: cidr }), [`${text}.secrets`]],
    ["secrets that are text", stack(2, { ...rest, terraform: cidr, secrets: "x" }), [`${text}.secrets`]],
    [
      "a number for a file",
      stack(1, { ...rest, terraform: cidr, secrets: { ...files, localFile: 5 } }),
      [`${text}.secrets.localDir`],
    ],
    ["an unknown key", stack(1, { ...rest, constructor: 1, terraform: cidr, secrets: files }), [`${text}.constructor`]],
    ["a host that is a list", { schemaVersion: 1, hosts: { bots01: [] } }, ["hosts.bots01"]],
    ["no host", { schemaVersion: 2, hosts: {} }, ["hosts"]],
    ["hosts that are null", { schemaVersion: 1, hosts: null }, ["hosts"]],
    ["version 0", { schemaVersion: 0, hosts: {} }, ["schemaVersion"]],
    ["version 4", { schemaVersion: 4, hosts: {} }, ["schemaVersion"]],
    ['version "1"', { ...first, schemaVersion: "1" }, ["schemaVersion", `${text}.opentofu`]],
    ["no version", {}, ["schemaVersion", "hosts"]],
    ["null", null, [undefined]],
    ["a list", [], [undefined]],
    ["text", "{}", [undefined]],
  ])("refuses %s", (_, input, settings) => {
    const { value, problems } = migrateStackJson(input, "old.json");
    expect(value).toBeUndefined();
    expect(problems.map(({ setting }) => setting)).toEqual(expect.arrayContaining(settings));
    expect(problems.every(({ subject }) => subject === "old.json")).toBe(true);
  });

  it("does not let a key called __proto__ through", () => {
    const hosts = JSON.parse(`{"__proto__": ${JSON.stringify(rest)}, "bots01": ${JSON.stringify(first.hosts.bots01)}}`);
    const { value, problems } = migrateStackJson({ schemaVersion: 1, hosts });
    expect(value).toBeUndefined();
    expect(problems.map(({ setting }) => setting)).toEqual(["hosts.__proto__"]);
    expect({}).not.toHaveProperty("flakeHost");
  });
});
