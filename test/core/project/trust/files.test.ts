import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { changedFiles, fileDifferences } from "../../../../core/project/trust/files.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-trust-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Tree = Record<string, string | { link: string } | { script: string }>;

function treeOf(files: Tree): string {
  const root = mkdtempSync(join(folder, "tree-"));
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    if (typeof content === "string") writeFileSync(file, content);
    else if ("link" in content) symlinkSync(content.link, file);
    else {
      writeFileSync(file, content.script);
      chmodSync(file, 0o755);
    }
  }
  return root;
}

const between = (before: Tree, after: Tree) => fileDifferences(treeOf(before), treeOf(after));
const json = JSON.stringify;
const input = (locked: object, original: object = { owner: "NixOS", repo: "nixpkgs", type: "github" }) =>
  json({
    nodes: { nixpkgs: { locked, original }, root: { inputs: { nixpkgs: "nixpkgs" } } },
    root: "root",
    version: 7,
  });
const at = (rev: string, more: object = {}) => ({
  ...{ owner: "NixOS", repo: "nixpkgs", type: "github", rev: rev.repeat(40), narHash: `sha256-${rev}` },
  ...more,
});
const packages = (more: object) =>
  json({
    packages: {
      "node_modules/a": {
        version: "1.0.0",
        resolved: "https://registry.example/a/-/a-1.0.0.tgz",
        integrity: "sha512-a",
      },
      ...more,
    },
  });
const packageA = (more: object) =>
  packages({
    "node_modules/a": {
      version: "1.0.0",
      resolved: "https://registry.example/a/-/a-1.0.0.tgz",
      integrity: "sha512-a",
      ...more,
    },
  });
const manifest = (more: object) => json({ name: "x", version: "1.0.0", ...more });

describe("dangerous, by the file and what in it", () => {
  test.each<[string, string | undefined, string, string]>([
    [
      "Pulumi.yaml",
      "runtime.options.nodeargs",
      "runtime: {name: nodejs, options: {nodeargs: a}}",

      "runtime: {name: nodejs, options: {nodeargs: b}}",
    ],
    ["Pulumi.yaml", "main", "name: x", "name: x\nmain: other.ts"],
    ["Pulumi.yaml", "plugins.providers.0.path", "name: x", "name: x\nplugins: {providers: [{path: ./evil}]}"],
    ["Pulumi.yaml", "backend.url", "name: x\nbackend: {url: a}", "name: x"],
    ["package.json", "scripts.preinstall", manifest({}), manifest({ scripts: { preinstall: "x" } })],
    ["package.json", "dependencies.a", manifest({}), manifest({ dependencies: { a: "^1.0.0" } })],
    [
      "package.json",
      "dependencies.a",
      manifest({ dependencies: { a: "^1.0.0" } }),

      manifest({ dependencies: { a: "github:them/a" } }),
    ],
    [
      "package.json",
      "dependencies.a",
      manifest({ dependencies: { a: "^1.0.0" } }),

      manifest({ dependencies: { a: "npm:b@1.0.0" } }),
    ],
    ["package.json", "overrides.a", manifest({}), manifest({ overrides: { a: "1.0.0" } })],
    ["package.json", "type", manifest({}), manifest({ type: "module" })],
    [
      "package-lock.json",
      "packages.node_modules/a.resolved",
      packageA({}),

      packageA({ version: "1.0.1", resolved: "https://them.invalid/a.tgz" }),
    ],
    ["package-lock.json", "packages.node_modules/a.integrity", packageA({}), packageA({ integrity: "sha512-b" })],
    [
      "package-lock.json",
      "packages.node_modules/a.hasInstallScript",
      packageA({}),

      packageA({ hasInstallScript: true }),
    ],
    ["flake.lock", "nodes.nixpkgs.locked.owner", input(at("a")), input(at("b", { owner: "them" }))],
    ["flake.lock", "nodes.nixpkgs.locked.narHash", input(at("a")), input(at("a", { narHash: "sha256-c" }))],
    [
      "flake.lock",
      "nodes.nixpkgs.original.owner",
      input(at("a")),

      input(at("a"), { owner: "them", repo: "nixpkgs", type: "github" }),
    ],
    ["flake.lock", "nodes.nixpkgs.locked.rev", input(at("a")), input({ ...at("a"), rev: undefined })],
    ["flake.nix", undefined, "{ }", "{ nixConfig = { }; }"],
    [
      "hosts/web-1.nix",
      undefined,
      '{\n  clawdlets.egress.mode = "proxy-allowlist";\n}',

      '{\n  clawdlets.egress.mode = "none";\n}',
    ],
    [
      "hosts/web-1.nix",
      undefined,
      "{\n  nix.settings.substituters = [\n  ];\n}",

      '{\n  nix.settings.substituters = [\n    "them"\n  ];\n}',
    ],
    [
      "clawdlets-policy.json",
      "cost-above-limit.enforcementLevel",
      "{}",

      '{"cost-above-limit": {"enforcementLevel": "disabled"}}',
    ],
    [".github/workflows/ci.yml", "on", "on: pull_request", "on: pull_request_target"],
    [".github/workflows/ci.yml", undefined, "on: push", "on: &on push\nx: *on"],
  ])("%s %s", (file, setting, before, after) => {
    expect(between({ [file]: before }, { [file]: after })).toContainEqual(
      expect.objectContaining({ file, dangerous: true, ...(setting !== undefined && { setting }) }),
    );
  });

  test.each([
    ...["Pulumi.yml", "Pulumi.json", "stacks/Pulumi.web-1.yml", ".clawdlets/.env", "examples/.clawdlets/stack.json"],
    ...[".npmrc", "sub/.npmrc", "yarn.lock", "pnpm-lock.yaml", ".pnpmfile.cjs", "policy/pack.ts", "PulumiPolicy.yaml"],
    ...[".github/workflows/new.yml", ".github/CODEOWNERS", ".github/actions/x/run.sh", ".gitlab-ci.yml", "Jenkinsfile"],
    ...[".circleci/config.yml", ".forgejo/workflows/x.yaml", ".githooks/pre-commit", ".husky/pre-push", ".envrc"],
    ...[".vscode/tasks.json", ".devcontainer/devcontainer.json", ".gitattributes", ".gitmodules", ".gitleaks.toml"],
    ...["package.json", "package-lock.json", "flake.lock", "flake.nix", "clawdlets-policy.json", "sub/package.json"],
  ])("%s where there was none, and none where there was one", (file) => {
    for (const found of [between({}, { [file]: "{}" }), between({ [file]: "{}" }, {})])
      expect(found).toEqual([expect.objectContaining({ file, dangerous: true })]);
  });

  test("a link, whatever it is called, and wherever it leads", () => {
    const found = between(
      { "README.md": "x", "b.ts": { link: "a.ts" } },
      { "README.md": { link: "/etc/passwd" }, "b.ts": { link: "c.ts" } },
    );
    expect(found).toEqual([
      { file: "README.md", dangerous: true, why: "is a link to /etc/passwd" },
      { file: "b.ts", dangerous: true, why: "is a link to c.ts" },
    ]);
  });
});

describe("a change, and no more", () => {
  test.each<[string, string, string]>([
    ["flake.lock", input(at("a")), input(at("b"))],
    ["package.json", manifest({ dependencies: { a: "1.0.0" } }), manifest({ dependencies: { a: "1.0.1" } })],
    ["package.json", manifest({}), manifest({ description: "y" })],
    [
      "package-lock.json",
      packageA({}),
      packageA({ version: "1.0.1", resolved: "https://registry.example/a/-/a-1.0.1.tgz", integrity: "sha512-b" }),
    ],
    ["hosts/web-1.nix", "{ services.nginx.enable = true; }", "{ services.nginx.enable = false; }"],
    ["bots/maren/openclaw.json", '{"channels": {}}', '{"channels": {"x": 1}}'],
    ["bots/maren/openclaw.json", "// Maren\n{ channels: {}, }", "{ channels: { x: 1, }, }"],
    ["bots/maren/workspace/SOUL.md", "a", "b"],
    ["index.ts", "a", "b"],
    ["a file that nobody has thought of", "a", "b"],
    ["Pulumi.yaml", "name: x\ndescription: a", "name: x\ndescription: b"],
  ])("%s", (file, before, after) => {
    const found = between({ [file]: before }, { [file]: after });
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter(({ dangerous }) => dangerous)).toEqual([]);
  });
});

test("a bot that needs further domains is dangerous, and one that needs fewer is not", () => {
  const file = "bots/maren/openclaw.json";
  const one = "{ agents: { defaults: { model: 'groq/x' } } }";
  const two = "{ agents: { defaults: { model: 'groq/x' } }, mcp: { servers: { a: { url: 'https://a.example' } } } }";
  expect(between({ [file]: one }, { [file]: two }).filter(({ dangerous }) => dangerous)).toEqual([
    { file, dangerous: true, why: "needs further domains: a.example" },
  ]);
  expect(between({ [file]: two }, { [file]: one }).filter(({ dangerous }) => dangerous)).toEqual([]);
});

test.each<[string, string, string]>([
  ["README.md", "a", "b"],
  ["docs/ci.md", "a", "b"],
  ["Pulumi.yaml", "name: x\nmain: index.ts", "# a comment\nmain: 'index.ts'\nname: \"x\"\n"],
  ["package.json", '{"a": 1, "b": [2]}', '{\n  "b": [ 2 ],\n  "a": 1\n}'],
  [".github/workflows/ci.yml", "on: push\njobs: {}", "jobs: {}\n'on': push # always"],
])("%s says the same, or nothing to a machine", (file, before, after) => {
  expect(between({ [file]: before }, { [file]: after })).toEqual([]);
});

test.each([
  ["yes", '"yes"'],
  ["010", "10"],
  ["010", "8"],
  ["1_000", "1000"],
  ["0x10", "16"],
])("%s and %s are not taken for the same: programs read them differently", (before, after) => {
  expect(between({ "Pulumi.yaml": `options: ${before}` }, { "Pulumi.yaml": `options: ${after}` })).toHaveLength(1);
});

test("a file that can be executed now counts as changed", () => {
  const [before, after] = [treeOf({ "run.ts": "x" }), treeOf({ "run.ts": { script: "x" } })];
  expect(changedFiles(before, after)).toEqual(["run.ts"]);
  expect(fileDifferences(before, after)).toEqual([expect.objectContaining({ file: "run.ts", dangerous: false })]);
});
