import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { stackFacts } from "../../../policy/index.ts";
import { secretInStackConfig } from "../../../policy/rules/secret-in-plain-sight.ts";

const token = "aB3dE6gH9canary5".repeat(4);

/** What the pack finds, where the engine was started in `start` of the project; it hands over every setting decrypted. */
function foundIn(stackFile: string | undefined, more = "", start = ".", config: Record<string, string> = {}) {
  const root = mkdtempSync(join(tmpdir(), "clawdlets-policy-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  writeFileSync(join(root, "Pulumi.yaml"), `name: clawdlets\nruntime: nodejs\nstackConfigDir: stacks\n${more}`);
  mkdirSync(join(root, "stacks"));
  if (stackFile !== undefined) writeFileSync(join(root, "stacks", "Pulumi.web-1.yaml"), stackFile);
  const environment = {
    PULUMI_NODEJS_PROJECT: "clawdlets",
    PULUMI_NODEJS_STACK: "web-1",
    PULUMI_CONFIG: JSON.stringify(config),
  };
  const facts = stackFacts(environment, [tmpdir(), join(root, start)]);
  return secretInStackConfig.check([], secretInStackConfig.settings.parse({}), facts).map(({ message }) => message);
}
const said = (key: string) => `the setting ${key} holds a Hetzner token (not shown)`;

it.each([
  ["a setting of a provider", `config:\n  hcloud:token: ${token}\n`, ["hcloud:token"]],
  ["one of ours", `config:\n  clawdlets:flake: https://x/?t=${token}\n`, ["clawdlets:flake"]],
  ["one without a namespace", `config:\n  key: ${token}\n`, ["clawdlets:key"]],
  ["one in the old spelling", `config:\n  hcloud:config:token: ${token}\n`, ["hcloud:token"]],
  ["one deep in a list", `config:\n  team:list:\n    - name: ${token}\n`, ["team:list"]],
  ["none that is encrypted", "config:\n  hcloud:token:\n    secure: v1:abcdef\n", []],
  ["none that is encrypted in a list", "config:\n  team:list:\n    - secure: v1:abcdef\n", []],
  ["none of ours that is encrypted", "config:\n  clawdlets:kept:\n    secure: v1:abcdef\n", []],
])("a secret in the clear is found by the stack file: %s", (_, stackFile, keys) => {
  const decrypted = { "hcloud:token": token, "clawdlets:kept": token, "team:list": JSON.stringify([token]) };
  expect(foundIn(stackFile, "", ".", decrypted)).toEqual(keys.map(said));
});

it("defaults of Pulumi.yaml count, and the project is found from a folder below it", () => {
  const defaults = `config:\n  hcloud:token: ${token}\n`;
  expect(foundIn("config: {}\n", defaults, "stacks")).toEqual([said("hcloud:token")]);
});

it("without the stack file our own settings are judged by what the engine says", () => {
  const decrypted = { "hcloud:token": token, "clawdlets:flake": token };
  expect(foundIn(undefined, "", ".", decrypted)).toEqual([said("clawdlets:flake")]);
});
