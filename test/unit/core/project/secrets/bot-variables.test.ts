import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { valueProblem } from "../../../../../core/project/secrets/plan.ts";
import { readRequiredSecrets, requiredSecrets } from "../../../../../core/project/secrets/required.ts";
import { temporaryFolder } from "../../../../_project.ts";

function layoutWith(bots: Record<string, string>): { root: string } {
  const root = temporaryFolder();
  for (const [bot, text] of Object.entries(bots)) {
    mkdirSync(join(root, "bots", bot), { recursive: true });
    writeFileSync(join(root, "bots", bot, "openclaw.json"), text);
  }
  return { root };
}

/** What secrets.json of a bot says. */
function withNames(layout: { root: string }, bot: string, names: string): { root: string } {
  writeFileSync(join(layout.root, "bots", bot, "secrets.json"), names);
  return layout;
}

const settings = (...bots: string[]) => ({ tailnet: "tailscale" as const, bots, secrets: [] });
const namesOf = (layout: { root: string }, ...bots: string[]) =>
  requiredSecrets(layout, settings(...bots)).map(({ name }) => name);
const base = ["admin_password_hash", "tailscale_auth_key"];

it("needs the Discord token of a bot without a folder, as before", () => {
  expect(namesOf(layoutWith({}), "maren")).toEqual([...base, "discord_token_maren"]);
});

it("needs what a bot's file refers to, and its gateway's token in any case", () => {
  const layout = layoutWith({ maren: "{ a: '${OPENAI_API_KEY}', b: '${DISCORD_BOT_TOKEN}' }", rex: "{}" });
  expect(namesOf(layout, "maren", "rex", "olaf")).toEqual([
    ...base,
    "discord_token_olaf",
    "discord_token_maren",
    "maren_openai_api_key",
    "maren_openclaw_gateway_token",
    "rex_openclaw_gateway_token",
  ]);
});

it("makes the gateway's token, and asks for the others", () => {
  const layout = layoutWith({ maren: "{ a: '${OPENAI_API_KEY}', b: '${OPENCLAW_GATEWAY_TOKEN}' }" });
  const kinds = requiredSecrets(layout, settings("maren")).slice(2);
  expect(kinds.map(({ name, kind }) => [name, kind])).toEqual([
    ["maren_openai_api_key", "token"],
    ["maren_openclaw_gateway_token", "generated"],
  ]);
  expect(valueProblem({ kind: "generated" }, "short")?.code).toBe("secret-invalid");
  expect(valueProblem({ kind: "generated" }, "a".repeat(43))).toBeUndefined();
});

it("takes a secret that is also named in the stack file once", () => {
  const layout = layoutWith({ maren: "{ a: '${OPENAI_API_KEY}' }" });
  const names = requiredSecrets(layout, { ...settings("maren"), secrets: ["maren_openai_api_key", "x"] });
  expect(names.map(({ name }) => name).slice(2)).toEqual(["maren_openai_api_key", "maren_openclaw_gateway_token", "x"]);
});

it.each([
  ["a variable that the unit sets", { maren: "{ a: '${HOME}' }" }, ["${HOME}"]],
  [
    "a password in place of the token",
    { maren: "{ a: '${OPENCLAW_GATEWAY_PASSWORD}' }" },
    ["${OPENCLAW_GATEWAY_PASSWORD}"],
  ],
  ["a name that is too long for a secret", { maren: `{ a: '\${${"A".repeat(58)}}' }` }, [`\${${"A".repeat(58)}}`]],
  ["a name that sops would leave readable", { maren: "{ a: '${KEY_UNENCRYPTED}' }" }, ["${KEY_UNENCRYPTED}"]],
  ["two bots with one secret", { a: "{ a: '${B_KEY}' }", a_b: "{ a: '${KEY}' }" }, ["${B_KEY}", "${KEY}"]],
  ["the host's own secret", { tailscale: "{ a: '${AUTH_KEY}' }" }, ["${AUTH_KEY}"]],
  ["another bot's Discord token", { discord: "{ a: '${TOKEN_MAREN}' }", maren: "" }, ["${TOKEN_MAREN}"]],
])("refuses %s", (_, folders, variables) => {
  const layout = layoutWith(Object.fromEntries(Object.entries(folders).filter(([, text]) => text !== "")));
  const { required, problems } = readRequiredSecrets(layout, settings(...Object.keys(folders)));
  expect(required).toBeUndefined();
  expect(problems.map(({ code, setting }) => [code, setting])).toEqual(
    variables.map((each) => ["invalid-value", each]),
  );
});

it("takes a name of exactly 63 characters", () => {
  const layout = layoutWith({ maren: `{ a: '\${${"A".repeat(57)}}' }` });
  expect(readRequiredSecrets(layout, settings("maren")).problems).toEqual([]);
});

it("reports a broken file in place of the secrets", () => {
  const { required, problems } = readRequiredSecrets(layoutWith({ maren: "{" }), settings("maren"));
  expect(required).toBeUndefined();
  expect(problems).toMatchObject([{ code: "invalid-syntax", subject: "bots/maren/openclaw.json" }]);
  expect(() => requiredSecrets(layoutWith({ maren: "{" }), settings("maren"))).toThrow("1 setting needs fixing");
});

it("takes the names of secrets.json, shared by variables and by bots, each secret once", () => {
  const layout = layoutWith({ maren: "{ a: '${ZAI_API_KEY}', b: '${OTHER}' }", rex: "{}" });
  const names = '{ "ZAI_API_KEY": "z_ai_api_key", "Z_AI_API_KEY": "z_ai_api_key" }';
  for (const bot of ["maren", "rex"]) withNames(layout, bot, names);
  expect(namesOf(layout, "maren", "rex").slice(2)).toEqual([
    "maren_openclaw_gateway_token",
    "maren_other",
    "z_ai_api_key",
    "rex_openclaw_gateway_token",
  ]);
});

it.each([
  ["a list", "[]", "file-invalid", undefined],
  ["what is not JSON", "{ a: 1 }", "invalid-syntax", undefined],
  ["a variable in lower case", '{ "key": "x" }', "invalid-value", "key"],
  [
    "a secret in place of its name",
    '{ "KEY": "sk-canary-0123456789" , "B": "canary 0123456789" }',
    "invalid-value",
    "B",
  ],
  ["a name that sops would leave readable", '{ "KEY": "x_unencrypted" }', "invalid-value", "KEY"],
  ["a number", '{ "KEY": 1 }', "invalid-value", "KEY"],
  ["a variable that the unit sets", '{ "PATH": "x" }', "invalid-value", "PATH"],
  ["the gateway's token", '{ "OPENCLAW_GATEWAY_TOKEN": "x" }', "invalid-value", "OPENCLAW_GATEWAY_TOKEN"],
  ["the host's own secret", '{ "KEY": "tailscale_auth_key" }', "invalid-value", "KEY"],
  ["the Discord token of a bot without a folder", '{ "KEY": "discord_token_olaf" }', "invalid-value", "KEY"],
])("refuses %s in secrets.json", (_, text, code, setting) => {
  const layout = withNames(layoutWith({ maren: "{}" }), "maren", text);
  const { required, problems } = readRequiredSecrets(layout, settings("maren", "olaf"));
  expect(required).toBeUndefined();
  expect(problems).toMatchObject([{ code, subject: "bots/maren/secrets.json", ...(setting && { setting }) }]);
  expect(JSON.stringify(problems)).not.toContain("canary");
});

it("refuses another bot's secret, unless that bot names it as well", () => {
  const layout = withNames(layoutWith({ maren: "{ a: '${KEY}' }", rex: "{}" }), "rex", '{ "KEY": "maren_key" }');
  const { problems } = readRequiredSecrets(layout, settings("maren", "rex"));
  expect(problems.map(({ subject }) => subject)).toEqual(["bots/maren/openclaw.json", "bots/rex/secrets.json"]);
  withNames(layout, "maren", '{ "KEY": "maren_key" }');
  expect(readRequiredSecrets(layout, settings("maren", "rex")).problems).toEqual([]);
});
