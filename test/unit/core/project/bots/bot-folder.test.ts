import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { readBot, readBots } from "../../../../../core/project/bots/bot-folder.ts";
import { temporaryFolder } from "../../../../_project.ts";

function project(files: Record<string, string | Buffer>): { root: string } {
  const root = temporaryFolder();
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), content);
  }
  return { root };
}

const bot = (content: string | Buffer) => project({ "bots/maren/openclaw.json": content });

it("reads a configuration with comments, its references and its documents", () => {
  const layout = project({
    "bots/maren/openclaw.json": "// Maren\n{ channels: { discord: { token: '${DISCORD_BOT_TOKEN}', }, }, }\n",
    "bots/maren/workspace/SOUL.md": "calm",
    "bots/maren/workspace/AGENTS.md": "agents",
    "bots/maren/workspace/notes.txt": "not a document",
  });
  expect(readBot(layout, "maren")).toMatchObject({
    problems: [],
    value: {
      name: "maren",
      file: "bots/maren/openclaw.json",
      config: { channels: { discord: { token: "${DISCORD_BOT_TOKEN}" } } },
      references: ["DISCORD_BOT_TOKEN"],
      documents: [
        { file: "bots/maren/workspace/AGENTS.md", text: "agents" },
        { file: "bots/maren/workspace/SOUL.md", text: "calm" },
      ],
    },
  });
});

it("finds nothing for a bot without a folder, or without an openclaw.json in it", () => {
  const layout = project({ "bots/rex/README.md": "" });
  for (const name of ["maren", "rex"]) expect(readBot(layout, name)).toEqual({ problems: [] });
  expect(readBots(layout, ["maren", "rex"])).toEqual({ bots: [], problems: [] });
});

it.each([
  ["a comma too many", "{\n  a: 1,\n  b: ,\n}", "invalid-syntax", 3],
  ["an end that comes too early", "{ a: 1", "invalid-syntax", 1],
  ["nothing", "", "invalid-syntax", 1],
])("refuses %s, with its line", (_, text, code, line) => {
  const at = { file: "bots/maren/openclaw.json", line };
  expect(readBot(bot(text), "maren").problems).toMatchObject([{ code, subject: at.file, at }]);
});

it.each([
  ["a list", "[]", "file-invalid"],
  ["a text", "'a'", "file-invalid"],
  ["nothing but null", "null", "file-invalid"],
  ["bytes that are not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), "file-invalid"],
  ["more than a megabyte", `{}${" ".repeat(1024 * 1024)}`, "file-unreadable"],
  ["a hundred levels and more", `{ a: ${"[".repeat(120)}${"]".repeat(120)} }`, "file-invalid"],
  ["an included file", "{ agents: { $include: './agents.json5' } }", "file-invalid"],
  ["a reference that is written with an escape", '{ a: "\\u0024{KEY}" }', "file-invalid"],
  ["a reference in two lines", '{ a: "${K\\\nEY}" }', "file-invalid"],
])("refuses %s", (_, content, code) => {
  const { value, problems } = readBot(bot(content), "maren");
  expect({ value, problems }).toMatchObject({ problems: [{ code, subject: "bots/maren/openclaw.json" }] });
  expect(value).toBeUndefined();
});

it("takes a hundred thousand brackets for what they are, and does not overflow", () => {
  expect(readBot(bot(`{ a: ${"[".repeat(100_000)}${"]".repeat(100_000)} }`), "maren").problems).toMatchObject([
    { code: "file-invalid" },
  ]);
});

it.each(["..", "../x", "Maren", "a".repeat(28), "", "."])("refuses %j as a name", (name) => {
  expect(readBot(bot("{}"), name).problems).toMatchObject([{ code: "invalid-value", setting: "name" }]);
});

it("refuses a folder in the place of the file", () => {
  expect(readBot(project({ "bots/maren/openclaw.json/x": "" }), "maren").problems).toMatchObject([
    { code: "file-unreadable" },
  ]);
});

it("refuses links that lead out of the bot's folder, as the file, a document or the folder itself", () => {
  const layout = project({ "outside/openclaw.json": "{}", "bots/maren/openclaw.json": "{}", "bots/rex/x": "", x: "x" });
  mkdirSync(join(layout.root, "bots/maren/workspace"));
  symlinkSync("../../../x", join(layout.root, "bots/maren/workspace/A.md"));
  symlinkSync("../../outside/openclaw.json", join(layout.root, "bots/rex/openclaw.json"));
  symlinkSync("../outside", join(layout.root, "bots/olaf"));
  const { bots, problems } = readBots(layout, ["maren", "rex", "olaf"]);
  expect(bots).toEqual([]);
  expect(problems.map(({ code, subject }) => [code, subject])).toEqual([
    ["link-leads-out", "bots/maren/workspace/A.md"],
    ["link-leads-out", "bots/rex/openclaw.json"],
    ["link-leads-out", "bots/olaf/openclaw.json"],
  ]);
});

it("refuses a link that leads to nothing, and takes one within the folder", () => {
  const layout = project({ "bots/maren/base.json": "{ a: 1 }", "bots/rex/x": "" });
  symlinkSync("base.json", join(layout.root, "bots/maren/openclaw.json"));
  symlinkSync("nowhere", join(layout.root, "bots/rex/openclaw.json"));
  expect(readBot(layout, "maren").value?.config).toEqual({ a: 1 });
  expect(readBot(layout, "rex").problems).toMatchObject([{ code: "file-unreadable" }]);
});
