import { expect, it } from "vitest";
import { parseOpenclaw } from "../../../../../core/project/bots/config.ts";
import { pinnedSchema } from "../../../../../core/project/bots/schema/pinned.ts";
import { lintBot } from "../../../../../core/project/lint/lint.ts";
import { secretOption } from "../../../../../core/project/lint/secrets.ts";

/** So that the cases can be short: the schema has tests of its own. */
const anything = { of: "no schema", schema: true };

/** A configuration in which nothing is found. */
const safe = {
  gateway: { mode: "local" },
  channels: { discord: { token: "${DISCORD_BOT_TOKEN}", dmPolicy: "pairing" } },
  agents: { defaults: { skills: [] } },
  tools: { profile: "messaging" },
  plugins: { allow: ["discord"] },
};

function lint(config: object, documents: { file: string; text: string }[] = []) {
  const text = JSON.stringify(config, null, 2);
  const file = "bots/maren/openclaw.json";
  const { value = {}, problems } = parseOpenclaw(text, file);
  expect(problems).toEqual([]);
  return lintBot({ name: "maren", file, text, config: value, references: [], secretNames: {}, documents }, anything);
}

const found = (config: object) => lint(config).map(({ severity, setting }) => [severity, setting]);

it("finds nothing in a configuration that is safe", () => {
  expect(lint(safe)).toEqual([]);
});

it.each<[string, object, string]>([
  ["direct messages of anyone", { channels: { discord: { dmPolicy: "open" } } }, "channels.discord.dmPolicy"],
  ["the same in its old place", { channels: { slack: { dm: { policy: "open" } } } }, "channels.slack.dm.policy"],
  [
    "one account of several",
    { channels: { telegram: { accounts: { alerts: { dmPolicy: "open" } } } } },
    "channels.telegram.accounts.alerts.dmPolicy",
  ],
  ["a list that is everyone", { channels: { x: { allowFrom: ["U1", "*"] } } }, "channels.x.allowFrom.1"],
  ["a group list that is everyone", { channels: { x: { groupAllowFrom: ["*"] } } }, "channels.x.groupAllowFrom.0"],
  ["groups of anyone", { channels: { discord: { groupPolicy: "open" } } }, "channels.discord.groupPolicy"],
  ["the default of all channels", { channels: { defaults: { groupPolicy: "open" } } }, "channels.defaults.groupPolicy"],
  [
    "elevated tools",
    { tools: { profile: "messaging", elevated: { allowFrom: { discord: ["*"] } } } },
    "tools.elevated.allowFrom.discord.0",
  ],
  ["another address", { gateway: { mode: "local", bind: "lan" } }, "gateway.bind"],
  ["no token", { gateway: { mode: "local", auth: { mode: "none" } } }, "gateway.auth.mode"],
  ["a token of its own", { gateway: { mode: "local", auth: { token: "${OTHER}" } } }, "gateway.auth.token"],
  ["Tailscale's funnel", { gateway: { mode: "local", tailscale: { mode: "funnel" } } }, "gateway.tailscale.mode"],
  ["a gateway that does not start", { gateway: {} }, "gateway.mode"],
  [
    "a page without pairing",
    { gateway: { mode: "local", controlUi: { allowInsecureAuth: true } } },
    "gateway.controlUi.allowInsecureAuth",
  ],
  [
    "a page for any origin",
    { gateway: { mode: "local", controlUi: { allowedOrigins: ["*"] } } },
    "gateway.controlUi.allowedOrigins",
  ],
  ["hooks with the gateway's token", { hooks: { token: "${OPENCLAW_GATEWAY_TOKEN}" } }, "hooks.token"],
])("%s is critical", (_, config, setting) => {
  expect(found({ ...safe, ...config })).toEqual([["critical", setting]]);
});

it.each<[string, object, string[]]>([
  ["commands without sandbox", { tools: {} }, ["agents.defaults.sandbox.mode"]],
  [
    "a profile with commands added",
    { tools: { profile: "minimal", alsoAllow: ["exec"] } },
    ["agents.defaults.sandbox.mode"],
  ],
  ["every skill", { agents: {} }, ["agents.defaults.skills"]],
  ["every plugin", { plugins: {} }, ["plugins.allow"]],
  ["any plugin", { plugins: { allow: ["*"] } }, ["plugins.allow"]],
  [
    "another proxy",
    { proxy: { proxyUrl: "http://127.0.0.1:3128" }, channels: { discord: { accounts: { a: { proxy: "http://p" } } } } },
    ["channels.discord.accounts.a.proxy", "proxy.proxyUrl"],
  ],
  ["a port that has no effect", { gateway: { mode: "local", port: 1 } }, ["gateway.port"]],
  ["a secret that is written out", { x: { botToken: "secret" } }, ["x.botToken"]],
  ["a check that is turned off", { x: { dangerouslyAllowNameMatching: true } }, ["x.dangerouslyAllowNameMatching"]],
])("%s is a warning", (_, config, settings) => {
  expect(found({ ...safe, ...config })).toEqual(settings.map((setting) => ["warning", setting]));
});

it.each<[string, object]>([
  [
    "our own values",
    { gateway: { mode: "local", bind: "loopback", auth: { mode: "token", token: "${OPENCLAW_GATEWAY_TOKEN}" } } },
  ],
  [
    "a reference as an object",
    { gateway: { mode: "local", auth: { token: { source: "env", id: "OPENCLAW_GATEWAY_TOKEN" } } } },
  ],
  ["a sandbox for all", { tools: {}, agents: { defaults: { skills: [], sandbox: { mode: "all" } } } }],
  ["commands that are denied", { tools: { deny: ["group:runtime"] } }],
  // "*" is every channel there, and not everyone.
  ["a list for all channels", { commands: { allowFrom: { "*": ["U1"] } } }],
  ["no plugins at all", { plugins: { enabled: false } }],
  [
    "a policy that is closed",
    { channels: { x: { dmPolicy: "allowlist", allowFrom: ["U1"], groupPolicy: "disabled" } } },
  ],
])("takes %s", (_, config) => {
  expect(lint({ ...safe, ...config })).toEqual([]);
});

const token = `sk-${"ant-api03-"}${"aB3dE6gH".repeat(5)}`;

it("finds tokens by their shape in the file and its documents, with line, and quotes none", () => {
  const documents = [{ file: "bots/maren/workspace/TOOLS.md", text: `# Tools\n\nUse ${token}.\n` }];
  const findings = lint({ ...safe, env: { vars: { KEY: token } } }, documents);
  expect(findings.map(({ severity, code, at }) => [severity, code, at?.file])).toEqual([
    ["critical", "secret-in-public-file", "bots/maren/openclaw.json"],
    ["critical", "secret-in-public-file", "bots/maren/workspace/TOOLS.md"],
  ]);
  expect(findings[1]?.at?.line).toBe(3);
  expect(JSON.stringify(findings)).not.toContain(token);
});

it("finds a token that is written with an escape", () => {
  const text = `{ gateway: { mode: 'local' }, x: '${token.replace("sk-", "\\x73k-")}' }`;
  const { value = {} } = parseOpenclaw(text, "f");
  const findings = lintBot(
    { name: "maren", file: "f", text, config: value, references: [], secretNames: {}, documents: [] },
    anything,
  );
  expect(findings[0]).toMatchObject({ severity: "critical", code: "secret-in-public-file", setting: "x" });
});

it("warns of documents that OpenClaw would not read", () => {
  const documents = [{ file: "bots/maren/workspace/AGENTS.md", text: "x" }];
  const at = (workspace: string) => ({ ...safe, agents: { defaults: { skills: [], workspace } } });
  expect(lint(at("/srv/clawdbot/maren/workspace"), documents)).toEqual([]);
  expect(lint(at("~/other"), documents)).toMatchObject([{ severity: "warning", setting: "agents.defaults.workspace" }]);
  expect(lint(at("~/other"))).toEqual([]);
});

it("knows every option that OpenClaw's schema takes a reference to a secret for", () => {
  const { schema } = pinnedSchema();
  const defs = (schema as { $defs: Record<string, object> }).$defs;
  const follow = (node: unknown) => {
    const ref = (node as { $ref?: string } | undefined)?.$ref?.replace("#/$defs/", "");
    return (ref === undefined ? node : defs[ref]) as Record<string, unknown> | undefined;
  };
  const written = (node: unknown): string =>
    JSON.stringify(node ?? {}).replace(/\{"\$ref":"#\/\$defs\/(\w+)"\}/g, (_, name: string) => written(defs[name]));
  const isReference = (node: unknown) => written(node).includes('"const":"env"');
  const found = new Set<string>();
  const visit = (raw: unknown, path: string): void => {
    if (typeof raw !== "object") return;
    const node = Object(follow(raw)) as Record<string, unknown>;
    const forms = ((node["anyOf"] ?? []) as unknown[]).map(follow);
    const isText = forms.some((form) => form?.["type"] === "string");
    if (isText && forms.some((form) => isReference(form) || ((form?.["oneOf"] ?? []) as unknown[]).some(isReference))) {
      found.add(path.split(".").slice(-2).join("."));
      return;
    }
    for (const [key, part] of Object.entries(Object(node["properties"]))) visit(part, `${path}.${key}`);
    for (const key of ["items", "additionalProperties"]) visit(node[key], `${path}.*`);
    for (const form of forms) visit(form, path);
  };
  visit(schema, "");
  expect(found.size).toBeGreaterThan(30);
  // Public, private keys by their shape, or whatever a header of a request is.
  const others = /\.(ca|cert|certificateData|knownHostsData|identityData|value)$|^(headers|edgeAuth)\.\*$/;
  expect([...found].filter((path) => !secretOption.test(path) && !others.test(path))).toEqual([]);
});
