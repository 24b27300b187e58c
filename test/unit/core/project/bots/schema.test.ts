import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import JSON5 from "json5";
import { describe, expect, it } from "vitest";
import { parseOpenclaw } from "../../../../../core/project/bots/config.ts";
import { issuesIn, type Schema } from "../../../../../core/project/bots/schema/check.ts";
import { pinnedSchema } from "../../../../../core/project/bots/schema/pinned.ts";
import { placeOf } from "../../../../../core/project/bots/schema/place.ts";
import { lintBots } from "../../../../../core/project/lint/lint.ts";
import { lintSchema } from "../../../../../core/project/lint/schema.ts";
import { channels, newConfig } from "../../../../../core/tasks/bots/new-config.ts";
import { temporaryFolder } from "../../../../_project.ts";

const file = "bots/maren/openclaw.json";

function findings(text: string) {
  const { value, problems } = parseOpenclaw(text, file);
  expect(problems).toEqual([]);
  const bot = { name: "maren", file, text, config: value ?? {}, references: [], secretNames: {}, documents: [] };
  return lintSchema(bot, pinnedSchema());
}

describe("OpenClaw's schema", () => {
  it.each(channels)("allows what bot add writes for %s", (channel) => {
    expect(findings(newConfig(channel, "anthropic/claude-sonnet-4-6"))).toEqual([]);
  });

  it.each<[string, string, string, string, string]>([
    [
      "a key at the top",
      "{ gatway: {} }",
      "gatway",
      "unknown-setting",
      '1, column 3: is not an option (did you mean "gateway"?).',
    ],
    [
      "a key of a channel",
      "{\n  channels: { telegram: {\n    'dmPolicyy': 'pairing' } } }",
      "channels.telegram.dmPolicyy",
      "unknown-setting",
      '3, column 5: is not an option (did you mean "dmPolicy"?).',
    ],
    [
      "a choice",
      "{ tools: { profile: 'messging' } }",
      "tools.profile",
      "invalid-value",
      '1, column 12: is not allowed (did you mean "messaging"?); allowed: "minimal", "coding", "messaging", "full".',
    ],
    [
      "a value of another type",
      "{ channels: { telegram: { enabled: 'yes' } } }",
      "channels.telegram.enabled",
      "invalid-value",
      "1, column 27: is not allowed; allowed: true or false.",
    ],
    [
      "a number out of bounds",
      "{ gateway: { port: 0.5 } }",
      "gateway.port",
      "invalid-value",
      "1, column 14: is not allowed; allowed: a whole number, at least 1, at most 65535.",
    ],
    [
      "an entry of a list",
      "{ plugins: { allow: ['a',\n 1] } }",
      "plugins.allow.1",
      "invalid-value",
      "2, column 2: is not allowed; allowed: text.",
    ],
    [
      "a key in one of several forms",
      "{ agents: { defaults: { model: { primry: 'a/b' } } } }",
      "agents.defaults.model.primry",
      "unknown-setting",
      '1, column 34: is not an option (did you mean "primary"?).',
    ],
    [
      "an option that is not there",
      "{ models: { providers: { x: {\n localService: {} } } } }",
      "models.providers.x.localService.command",
      "missing-setting",
      "2, column 2: is required.",
    ],
    [
      "a channel",
      "{ channels: { discrod: {} } }",
      "channels.discrod",
      "unknown-setting",
      '1, column 15: is not a channel (did you mean "discord"?); one that a plugin brings is listed in plugins.allow.',
    ],
  ])("refuses %s, and says where", (_, text, setting, code, words) => {
    const [finding, ...more] = findings(text);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ severity: "critical", subject: file, setting, code, problem: `line ${words}` });
  });

  it.each([
    ["a channel of a plugin", "{ channels: { pigeon: {} }, plugins: { allow: ['pigeon'] } }"],
    [
      "a reference, whatever the value has to look like",
      "{ hooks: { gmail: { hookUrl: '${URL}' } }, tools: { profile: '${PROFILE}' } }",
    ],
    [
      "a reference to a secret in OpenClaw's other form",
      "{ channels: { telegram: { botToken: { source: 'env', provider: 'default', id: 'T' } } } }",
    ],
    [
      "settings of a plugin that it does not know",
      "{ plugins: { entries: { pigeon: { enabled: true, config: { a: 1 } } } } }",
    ],
  ])("allows %s", (_, text) => {
    expect(findings(text)).toEqual([]);
  });

  it("quotes no value, and names at most 20 problems", () => {
    const keys = Array.from({ length: 30 }, (_, index) => `k${index}: 1`).join(", ");
    const found = findings(`{ ${keys}, gateway: { auth: { mode: 'canary-0123456789' } } }`);
    expect(found).toHaveLength(20);
    expect(JSON.stringify(findings("{ gateway: { auth: { mode: 'canary-0123456789' } } }"))).not.toContain("canary");
  });
});

it("judges as another checker of the same schema does", () => {
  const paths =
    "gateway gateway.port gateway.auth gateway.auth.mode agents.defaults.model agents.entries agents.defaults.sandbox channels.irc channels.irc.accounts.x session.dmScope tools.exec tools.web plugins.entries plugins.entries.xai hooks.mappings mcp.servers.x".split(
      " ",
    );
  const { schema } = pinnedSchema();
  // The other one compiles all that it is given, which takes its time.
  const wanted = new Set([...paths.map((path) => path.split(".")[0]), "$schema"]);
  const some = structuredClone(schema) as { properties: Record<string, { properties: Record<string, unknown> }> };
  const keep = (all: Record<string, unknown>, isKept: (key: string) => boolean) =>
    Object.fromEntries(Object.entries(all).filter(([key]) => isKept(key)));
  some.properties = keep(some.properties, (key) => wanted.has(key)) as typeof some.properties;
  const channels = some.properties["channels"];
  if (channels) channels.properties = keep(channels.properties, (key) => key === "irc");
  const isValid = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: true }).compile(some);
  let refused = 0;
  for (const path of paths) {
    for (const value of ["x", "off", 1, -1, 0.5, true, null, [], ["x"], {}, { enabled: true }, { x: 1 }]) {
      const config = path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
      const issues = issuesIn(some, config);
      expect(issues.length === 0, `${path} = ${JSON.stringify(value)}: ${JSON.stringify(issues)}`).toBe(
        isValid(config),
      );
      if (issues.length > 0) refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(80);
}, 60_000);

it.each<[string, Schema, unknown, boolean]>([
  ["two forms that both fit", { oneOf: [{ type: "string" }, { const: "x" }] }, "x", false],
  ["one form that fits", { oneOf: [{ type: "string" }, { const: 1 }] }, "x", true],
  [
    "a condition that holds",
    JSON.parse('{ "if": { "required": ["a"] }, "then": { "required": ["b"] } }'),
    { a: 1 },
    false,
  ],
  [
    "a condition that does not hold",
    JSON.parse('{ "if": { "required": ["a"] }, "then": { "required": ["b"] } }'),
    { c: 1 },
    true,
  ],
  ["what is excluded", { not: { const: 1 } }, 1, false],
  [
    "a definition of a part's own",
    { properties: { a: { $defs: { n: { type: "number" } }, $ref: "#/$defs/n" } } },
    { a: "x" },
    false,
  ],
  ["places of a list", { items: [{ type: "string" }], additionalItems: false }, ["x", 1], false],
  ["a name", { propertyNames: { pattern: "^a" } }, { b: 1 }, false],
  ["a definition that refers to itself", { $defs: { a: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" }, 1, true],
])("knows %s", (_, schema, value, isAllowed) => {
  expect(issuesIn(schema, value).length === 0).toBe(isAllowed);
});

it.each<[string, string[], number, number]>([
  ["{ a: 1, b: { c: 2 } }", ["b", "c"], 1, 14],
  ["// { b: 1\n{ /* b: */ 'a': '}', \"b\": [1, { c: 2 }, 3] }", ["b", "1", "c"], 2, 33],
  ["{\r\n  b: [\r\n    1,\r\n    [2, 3],\r\n  ],\r\n}", ["b", "1", "1"], 4, 9],
  ["{ 'a\\'b': { \\u0063: 1 } }", ["a'b", "c"], 1, 13],
  ["{ a: 1, a: 2 }", ["a"], 1, 9],
  ["{ a: 'it', b: -.5, c: +Infinity, d: 0xF }", ["d"], 1, 34],
  ["{ a: { b: 1 } }", ["a", "none"], 1, 1],
  ["{ a: { b: 1 } }", [], 1, 1],
])("finds in %j the place of %j", (text, path, line, column) => {
  JSON5.parse(text);
  expect(placeOf(text, path)).toEqual({ line, column });
});

it("checks against a project's own schema, of another version, if there is one", () => {
  const root = temporaryFolder();
  const put = (path: string, text: string) => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put(
    "bots/maren/openclaw.json",
    newConfig("none", "openai/gpt-5.4-mini").replace(
      '  gateway: { mode: "local" },',
      '  gateway: { mode: "local" }, novelty: 1,',
    ),
  );
  expect(lintBots({ root }, ["maren"])).toMatchObject([
    { setting: "novelty", fix: expect.stringContaining("OpenClaw 2026.9.6") },
  ]);
  put("bots/openclaw.schema.json", '{ "properties": { "novelty": { "type": "number" } } }');
  expect(lintBots({ root }, ["maren"])).toEqual([]);
  put("bots/openclaw.schema.json", "[]");
  expect(lintBots({ root }, ["maren"])).toMatchObject([
    { code: "file-invalid", subject: "bots/openclaw.schema.json", severity: "critical" },
    { setting: "novelty" },
  ]);
});
