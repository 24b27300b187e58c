import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { SettingsError } from "../../../../../core/base/errors.ts";
import { exampleHost, exampleRecipient, exampleSshKey } from "../../../../../core/project/settings/example-stack.ts";
import { loadHost } from "../../../../../core/project/settings/host.ts";
import { checkStackConfig } from "../../../../../core/project/settings/stack-config/check.ts";
import { stackConfig } from "../../../../../core/project/settings/stack-config/stack-config.ts";
import {
  addToStackFile,
  copyStackFile,
  listStackFiles,
  readRawStackFile,
  readStackFile,
} from "../../../../../core/project/settings/stack-file.ts";
import { project, publicKey, recipient, stackFile } from "../../../../_project.ts";
import { repository } from "../../../../_repository.ts";

const file = join(repository, "stacks", "Pulumi.example.yaml");
const text = readFileSync(file, "utf8");
const own = { ageRecipient: recipient, sshHostKey: publicKey, adminSshKeys: [publicKey] };

/** A project with the example in it. */
function withExample(more = stackFile) {
  const layout = project({ stackFile: more });
  cpSync(file, join(layout.stacks, "Pulumi.example.yaml"));
  return layout;
}

describe("stacks/Pulumi.example.yaml", () => {
  it("is valid, and shows every setting there is", () => {
    expect(readStackFile(withExample(), exampleHost)).toMatchObject({ value: { serverType: "cx43" }, problems: [] });
    for (const key of Object.keys(stackConfig.shape))
      expect(text).toMatch(new RegExp(`^ {2}(# )?clawdlets:${key}:`, "m"));
  });

  it("has, commented out, the defaults, and otherwise says that it is an example", () => {
    const { value } = readStackFile(withExample(), exampleHost);
    const lines = text.split("\n");
    let seen = 0;
    for (const [index, line] of lines.entries()) {
      const [, commented = ""] = /^ {2}# (clawdlets:.*)$/.exec(line) ?? [];
      if (commented === "") continue;
      const [[key = "", given] = []] = Object.entries(parse(commented));
      const name = key.replace("clawdlets:", "");
      const { problems, value: checked } = checkStackConfig({ serverType: "cx43", ...own, [name]: given }, "");
      expect(problems, line).toEqual([]);
      const above = lines.slice(0, index).findLast((each) => !/^ {2}# clawdlets:/.test(each));
      const isDefault = JSON.stringify(checked?.[name as "bots"]) === JSON.stringify(value?.[name as "bots"]);
      expect(isDefault, line).toBe(!above?.endsWith("For example:"));
      seen++;
    }
    expect(seen).toBe(Object.keys(stackConfig.shape).length - 4);
  });

  it("is not a host that commands for several mean, until it has keys of its own", async () => {
    const layout = withExample();
    expect(listStackFiles(layout)).toEqual(["clawdbot-fleet-host"]);
    expect(readRawStackFile(layout, exampleHost)).toEqual({ serverType: "cx43" });
    expect(await addToStackFile(layout, exampleHost, { serverType: "cx53", ...own })).toEqual(Object.keys(own));
    expect(listStackFiles(layout)).toEqual(["clawdbot-fleet-host", "example"]);
    expect(readRawStackFile(layout, exampleHost)).toEqual({ serverType: "cx43", ...own });
  });
});

describe("a host with keys of the example", () => {
  it.each([
    ["all", {}, "clawdlets:ageRecipient, clawdlets:sshHostKey, clawdlets:adminSshKeys"],
    ["one", { sshHostKey: publicKey, adminSshKeys: [publicKey] }, "clawdlets:ageRecipient"],
    ["its admin's", { ageRecipient: recipient, sshHostKey: publicKey }, "clawdlets:adminSshKeys"],
  ])("is refused with %s of them, whatever else is missing, with the command to run", async (_, keys, setting) => {
    const layout = project({ stack: null, env: null, stackFile: null });
    await copyStackFile(withExample(), exampleHost, layout, "web-1");
    await addToStackFile(layout, "web-1", keys);
    const refusal = () => loadHost(layout, "web-1", {});
    expect(refusal).toThrow(SettingsError);
    try {
      refusal();
    } catch (error) {
      expect((error as SettingsError).problems).toEqual([
        {
          code: "key-missing",
          subject: "stacks/Pulumi.web-1.yaml",
          setting,
          problem: expect.stringMatching(/the example's keys?, which (has|have) no private hal/),
          fix: "Make this host's own keys: clawdlets init --host web-1",
        },
      ]);
    }
  });

  it("is loaded once it has its own", async () => {
    const layout = withExample();
    const web = join(layout.stacks, "Pulumi.clawdbot-fleet-host.yaml");
    await copyStackFile(layout, exampleHost, layout, "clawdbot-fleet-host");
    expect(readFileSync(web, "utf8")).toContain(exampleRecipient);
    await addToStackFile(layout, "clawdbot-fleet-host", own);
    expect(readFileSync(web, "utf8")).not.toMatch(/[Ee]xampleExample/);
    expect(loadHost(layout, "clawdbot-fleet-host", {}).settings).toMatchObject({ ...own, serverType: "cx43" });
  });
});

it("a copy has the other's settings and comments, and nothing that is that host's alone", async () => {
  const layout = project();
  const source = `# Ours\n\nencryptionsalt: v1:canary\nconfig:\n  # Small enough\n  clawdlets:serverType: cx33\n  clawdlets:flakeHost: one\n  clawdlets:reinstall: 2\n  clawdlets:tags: [eu]\n${stackFile.split("\n").slice(2).join("\n")}`;
  writeFileSync(join(layout.stacks, "Pulumi.one.yaml"), source);
  await copyStackFile(layout, "one", layout, "two");
  const copy = readFileSync(join(layout.stacks, "Pulumi.two.yaml"), "utf8");
  expect(copy).toMatch(
    /^# Settings of the host two\. .*\n#.*\n\nconfig:\n {2}# Small enough\n {2}clawdlets:serverType: cx33\n/,
  );
  expect(parse(copy).config).toEqual({
    "clawdlets:serverType": "cx33",
    "clawdlets:tags": ["eu"],
    "clawdlets:ageRecipient": exampleRecipient,
    "clawdlets:sshHostKey": exampleSshKey,
    "clawdlets:adminSshKeys": [exampleSshKey],
  });
  expect(copy).not.toContain("canary");
});
