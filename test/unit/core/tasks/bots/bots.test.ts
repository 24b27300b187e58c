import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SettingsError } from "../../../../../core/base/errors.ts";
import { lintBots } from "../../../../../core/project/lint/lint.ts";
import { readRawStackFile } from "../../../../../core/project/settings/stack-file.ts";
import { type AddRequest, addBot } from "../../../../../core/tasks/bots/add.ts";
import { channels, keyVariable } from "../../../../../core/tasks/bots/new-config.ts";
import { removeBot } from "../../../../../core/tasks/bots/remove.ts";
import { listBots, showBot } from "../../../../../core/tasks/bots/show.ts";
import { project, stackFile } from "../../../../_project.ts";

const host = "clawdbot-fleet-host";
const model = "anthropic/claude-sonnet-4-6";
const file = "bots/maren/openclaw.json";
const document = "bots/maren/workspace/AGENTS.md";

const add = (layout: ReturnType<typeof project>, more: Partial<AddRequest> = {}) =>
  addBot({ layout, bot: "maren", channel: "discord", model, dryRun: false, ...more });

/** Codes and settings of what was refused. */
async function refusal(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof SettingsError)) throw error;
  return error.problems.map(({ code, setting }) => [code, setting]);
}

it.each(channels)("makes a folder for the channel %s in which nothing unsafe is found", async (channel) => {
  const layout = project();
  expect(await add(layout, { channel })).toEqual({ make: [file, document], change: [] });
  expect(lintBots(layout, ["maren"])).toEqual([]);
});

it("adds the bot to a host's stack file, beside its other bots", async () => {
  const layout = project({ stackFile: `${stackFile}  clawdlets:bots: [rex] # ours\n` });
  expect(await add(layout, { host })).toEqual({ make: [file, document], change: [`stacks/Pulumi.${host}.yaml`] });
  expect(readRawStackFile(layout, host)["bots"]).toEqual(["rex", "maren"]);
});

it("makes the folder of a bot that a host already has", async () => {
  const layout = project({ stackFile: `${stackFile}  clawdlets:bots: [maren]\n` });
  expect(await add(layout, { host })).toEqual({ make: [file, document], change: [] });
});

it("changes nothing in a dry run", async () => {
  const layout = project();
  expect(await add(layout, { host, dryRun: true })).toMatchObject({ make: [file, document] });
  expect(existsSync(join(layout.root, "bots"))).toBe(false);
  expect(readRawStackFile(layout, host)["bots"]).toBeUndefined();
});

it("keeps a document that is already there, and refuses to overwrite a configuration", async () => {
  const layout = project();
  mkdirSync(join(layout.root, "bots/maren/workspace"), { recursive: true });
  writeFileSync(join(layout.root, document), "mine");
  expect(await add(layout)).toEqual({ make: [file], change: [] });
  expect(readFileSync(join(layout.root, document), "utf8")).toBe("mine");
  expect(await refusal(add(layout))).toEqual([["file-in-the-way", undefined]]);
});

it.each<[string, Partial<AddRequest>, [string, string]]>([
  ["a name that is a path", { bot: "../x" }, ["invalid-value", "name"]],
  ["a model without provider", { model: "claude" }, ["invalid-value", "--model"]],
  ["a model with a quote", { model: 'a/b"c' }, ["invalid-value", "--model"]],
  ["a host that is not there", { host: "web-9" }, ["no-such-host", "--host"]],
])("refuses %s, and writes nothing", async (_, more, problem) => {
  const layout = project();
  expect(await refusal(add(layout, more))).toEqual([problem]);
  expect(existsSync(join(layout.root, "bots"))).toBe(false);
});

it.each([
  ["anthropic/x", "ANTHROPIC_API_KEY"],
  ["google/x", "GEMINI_API_KEY"],
  ["vercel-gateway/x/y", "VERCEL_GATEWAY_API_KEY"],
])("takes the key of %s from %s", (name, variable) => {
  expect(keyVariable(name)).toBe(variable);
});

it("lists bots with and without a folder, and the hosts they are on", async () => {
  const layout = project({ stackFile: `${stackFile}  clawdlets:bots: [olaf]\n` });
  await add(layout, { host });
  expect(listBots(layout)).toEqual([
    { bot: "maren", folder: "bots/maren", hosts: [host], channels: ["discord"], model, critical: 0, warnings: 0 },
    { bot: "olaf", hosts: [host], channels: [], critical: 0, warnings: 0 },
  ]);
});

it("shows which secrets of a bot are set", async () => {
  const layout = project();
  await add(layout, { host });
  const folder = join(layout.secrets, "hosts", host);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "discord_token_maren.yaml"), "");
  expect(showBot(layout, "maren").secrets.map(({ secret, status }) => [secret, status])).toEqual([
    ["maren_anthropic_api_key", "missing"],
    ["discord_token_maren", "set"],
    ["maren_openclaw_gateway_token", "missing"],
  ]);
  expect(() => showBot(layout, "marem")).toThrow("there is no bots/marem");
});

it("refuses to remove a bot that a host has, and removes it after that", async () => {
  const layout = project();
  await add(layout, { host });
  expect(await refusal(removeBot(layout, "maren", true))).toEqual([["settings-disagree", "clawdlets:bots"]]);
  writeFileSync(join(layout.stacks, `Pulumi.${host}.yaml`), stackFile);
  expect(await removeBot(layout, "maren", false)).toBe("bots/maren");
  expect(existsSync(join(layout.root, file))).toBe(true);
  await removeBot(layout, "maren", true);
  expect(existsSync(join(layout.root, "bots/maren"))).toBe(false);
  expect(await refusal(removeBot(layout, "..", true))).toEqual([["file-missing", "name"]]);
});

it("removes a link, and not what it leads to", async () => {
  const layout = project();
  mkdirSync(join(layout.root, "elsewhere"));
  mkdirSync(join(layout.root, "bots"));
  symlinkSync("../elsewhere", join(layout.root, "bots/maren"));
  await removeBot(layout, "maren", true);
  expect(existsSync(join(layout.root, "elsewhere"))).toBe(true);
});
