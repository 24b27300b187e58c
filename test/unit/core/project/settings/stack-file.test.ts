import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SettingsError } from "../../../../../core/base/errors.ts";
import { problemSentence } from "../../../../../core/base/problem.ts";
import {
  addToStackFile,
  adminKeysOf,
  changeAdminKeys,
  listStackFiles,
  readRawStackFile,
  readStackFile,
} from "../../../../../core/project/settings/stack-file.ts";
import { project, stackFile, token } from "../../../../_project.ts";

const host = "clawdbot-fleet-host";
const fileOf = (layout: ReturnType<typeof project>) => join(layout.stacks, `Pulumi.${host}.yaml`);
const said = (text: string) => readStackFile(project({ stackFile: text }), host).problems.map(problemSentence);

/** Ten lines that stand for 2^30 values. */
const bomb = Array.from({ length: 30 }, (_, index) =>
  index === 0 ? "a0: &a0 [x, x]" : `a${index}: &a${index} [*a${index - 1}, *a${index - 1}]`,
).join("\n");

describe("the stack file", () => {
  it.each([
    ["aliases that stand for millions of values", `${bomb}\n${stackFile}  clawdlets:bots: *a29\n`, "an anchor (&a0)"],
    ["an alias of nothing", `${stackFile}  clawdlets:bots: *none\n`, "alias"],
    [
      "a key that stands twice",
      `${stackFile}  clawdlets:serverType: cx53\n`,
      "line 7, column 3: Map keys must be unique",
    ],
    ["a tab", "config:\n\tclawdlets:serverType: cx43\n", "line 2, column 1"],
    ["nesting deeper than any settings", "config: ".concat("[".repeat(5000)), "nested too deeply"],
    ["nesting in lines", Array.from({ length: 300 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"), "nested too deeply"],
    ["nesting in one line", "- ".repeat(5000), "nested too deeply"],
    ["a megabyte", `${stackFile}#${"x".repeat(1_000_000)}`, "bytes"],
  ])("refuses %s in words", (_, text, message) => expect(said(text).join("\n")).toContain(message));

  it("quotes nothing of a broken line: it could be a token", () => {
    expect(said(`config: [${token}\nx: "${token}`).join("\n")).not.toContain("aaa");
  });

  it("is listed by host, and nothing is where there is no folder for it", () => {
    const layout = project();
    writeFileSync(join(layout.stacks, "Pulumi.b.yaml"), "");
    writeFileSync(join(layout.stacks, "notes.txt"), "");
    expect(listStackFiles(layout)).toEqual(["b", host]);
    rmSync(layout.stacks, { recursive: true });
    expect(listStackFiles(layout)).toEqual([]);
    writeFileSync(layout.stacks, "");
    expect(listStackFiles(layout)).toEqual([]);
  });

  it("says so when a folder stands in its place", () => {
    const layout = project({ stackFile: null });
    mkdirSync(fileOf(layout));
    expect(readStackFile(layout, host).problems.map(problemSentence)[0]).toContain("is not a plain file");
  });

  it.each(["", "# nothing yet\n", "config:\n", "config: {}\n"])(
    "gets its first settings when it says %j",
    async (text) => {
      const layout = project({ stackFile: text });
      expect(await addToStackFile(layout, host, { serverType: "cx43" })).toEqual(["serverType"]);
      expect(readRawStackFile(layout, host)).toEqual({ serverType: "cx43" });
      expect(readFileSync(fileOf(layout), "utf8")).toContain(text.startsWith("#") ? "# nothing yet" : "config:");
    },
  );

  it.each([
    ["config: ["],
    ["- a\n- b\n"],
    ["config: text\n"],
    ["config: [a]\n"],
    ["text"],
    [bomb.replace("a0: ", "a0 : *x")],
  ])("is left alone when it says %j", async (text) => {
    const layout = project({ stackFile: text });
    await expect(addToStackFile(layout, host, { serverType: "cx43" })).rejects.toThrow(SettingsError);
    expect(readFileSync(fileOf(layout), "utf8")).toBe(text);
  });

  it("gives no settings to planning where it cannot be read, rather than a stack trace", () => {
    const layout = project({ stackFile: bomb });
    writeFileSync(fileOf(layout), `${bomb}\nconfig: *a29\n`);
    expect(() => readRawStackFile(layout, host)).toThrow(SettingsError);
    rmSync(fileOf(layout));
    expect(readRawStackFile(layout, host)).toEqual({});
  });
});

describe("the keys that may log in", () => {
  it("keeps a value that is not a list: a change would overwrite it", async () => {
    const text = stackFile.replace(/adminSshKeys:.*$/s, "adminSshKeys: ssh-ed25519 AAAA\n");
    const layout = project({ stackFile: text });
    await expect(changeAdminKeys(layout, host, { add: ["ssh-ed25519 BBBB"] })).rejects.toMatchObject({
      problems: [
        {
          code: "invalid-value",
          setting: "clawdlets:adminSshKeys",
          problem: 'is "ssh-ed25519 AAAA"; allowed: a list of public keys.',
        },
      ],
    });
    expect(readFileSync(fileOf(layout), "utf8")).toBe(text);
  });

  it.each([
    ["a list", stackFile.replace(/adminSshKeys:.*$/s, "adminSshKeys: [a, b]\n"), ["a", "b"]],
    ["JSON text, as the engine writes it", stackFile.replace(/adminSshKeys:.*$/s, `adminSshKeys: '["a"]'\n`), ["a"]],
    ["nothing", "config: {}\n", []],
  ])("reads %s", (_, text, keys) => {
    expect(adminKeysOf(project({ stackFile: text }), host)).toEqual(keys);
  });
});
