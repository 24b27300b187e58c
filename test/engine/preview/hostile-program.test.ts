import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { exitCodes } from "../../../core/base/exit-codes.ts";
import { problemSentence } from "../../../core/base/problem.ts";
import { findEngine } from "../../../engine/find-engine.ts";
import type { PreviewReport } from "../../../engine/preview/plan/report.ts";
import { repository } from "../../_repository.ts";
import { Clone } from "./_clone.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-hostile-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Reads what it can, tries what it could write, and says what it got in an error. What others run is not written to. */
const hostile = (other: string, plugin: string) => `
import * as fs from "node:fs";
import { execFileSync } from "node:child_process";
const got: string[] = [];
const attempt = (name: string, act: () => unknown) => { try { if (act() !== false) got.push(name); } catch { /* Refused, as it should be. */ } };
const processes = fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
const environments = processes.map((pid) => { try { return fs.readFileSync("/proc/" + pid + "/environ", "utf8"); } catch { return ""; } });
attempt("environ", () => environments.some((text) => text.includes("canary-of-the-job")));
attempt("parent", () => fs.readFileSync("/proc/" + process.ppid + "/environ", "utf8").includes("canary-of-the-job"));
attempt("other", () => fs.readFileSync(${JSON.stringify(other)}, "utf8"));
attempt("plugin", () => fs.writeFileSync(${JSON.stringify(plugin)}, "replaced"));
attempt("plugin at home", () => {
  const plugins = process.env["PULUMI_HOME"] + "/plugins";
  const name = fs.readdirSync(plugins).find((each) => each.startsWith("resource-hcloud") && !each.endsWith("used"));
  fs.accessSync(plugins + "/" + name + "/pulumi-resource-hcloud", fs.constants.W_OK);
});
attempt("remount", () => execFileSync("/bin/mount", ["-o", "remount,bind,rw", process.cwd()], { stdio: "ignore" }));
attempt("remount as root", () => execFileSync("/usr/bin/unshare", ["--user", "--map-root-user", "--mount", "/bin/mount", "-o", "remount,bind,rw", process.cwd()], { stdio: "ignore" }));
attempt("own tree", () => fs.writeFileSync("index.ts", "export {}"));
attempt("engine", () => fs.accessSync(process.env["PATH"]!.split(":")[0] + "/pulumi", fs.constants.W_OK));
attempt("packages", () => fs.accessSync("node_modules/yaml/package.json", fs.constants.W_OK));
attempt("home", () => fs.readdirSync("/home").length + fs.readdirSync("/root").length > 0);
throw new Error("got " + JSON.stringify(got));
`;

const got = (stdout: string): string[] => {
  const report: PreviewReport = JSON.parse(stdout);
  const said = report.hosts[0]?.problems.map(problemSentence)[0] ?? "";
  return JSON.parse(/got (\[.*?\])/.exec(said)?.[1] ?? `["${said.replaceAll('"', "'")}"]`);
};

async function hostileClone(name: string) {
  const engine = findEngine(repository);
  if (!engine) throw new Error("No engine in .toolchain: run scripts/setup.sh first.");
  const other = join(folder, `other-project-${name}`, ".clawdlets", ".env");
  mkdirSync(join(other, ".."), { recursive: true });
  writeFileSync(other, "HCLOUD_TOKEN=canary-of-another-project\n");
  // A file of our own in the place of a plugin, so that a failing test breaks no engine.
  const plugin = join(engine.pulumiHome, "plugins", `test-${name}`);
  writeFileSync(plugin, "as it was");
  const clone = new Clone(join(folder, name));
  await clone.host("web-1");
  writeFileSync(join(clone.root, "index.ts"), hostile(other, plugin));
  await clone.commit("a stranger's program");
  return { clone, plugin };
}

const token = { HCLOUD_TOKEN: "canary-of-the-job", GITHUB_TOKEN: "canary-of-the-job" };

test("a hostile program gets no token, no file of another project, and replaces nothing", async () => {
  const { clone, plugin } = await hostileClone("shut-in");
  try {
    const { stdout, stderr } = await clone.preview(["--all", "--format", "json"], token);
    expect(got(stdout), stderr).toEqual([]);
    expect(stdout).not.toContain("was not sandboxed");
    expect(readFileSync(plugin, "utf8")).toBe("as it was");
  } finally {
    rmSync(plugin);
  }
}, 120_000);

/** Names a server without a firewall after what it could do: the policy's finding carries it out. Throws nothing, so it stays loaded. */
const quiet = `
import * as fs from "node:fs";
import * as hcloud from "@pulumi/hcloud";
const got: string[] = [];
const attempt = (name: string, act: () => unknown) => { try { act(); got.push(name); } catch { /* Refused, as it should be. */ } };
const beside = (name: string) => fs.realpathSync(process.cwd()) + "/../" + name;
attempt("tmp", () => fs.writeFileSync("/tmp/own", ""));
for (const name of ["scratch", "backend", "warm", "pack", "head"]) attempt(name, () => fs.writeFileSync(beside(name) + "/planted", ""));
new hcloud.Server(["got", ...got].join("-"), { serverType: "cx23", image: "debian-12" });
`;

test("a program that stays loaded can write only to a /tmp of its own", async () => {
  const clone = new Clone(join(folder, "quiet"));
  await clone.host("web-1");
  writeFileSync(join(clone.root, "index.ts"), quiet);
  await clone.commit("a stranger's program");
  const { stdout, stderr } = await clone.preview(["--all", "--format", "json"]);
  expect(stderr).not.toContain("processes of their own");
  const report: PreviewReport = JSON.parse(stdout);
  const named = report.hosts[0]?.violations.filter(({ rule }) => rule === "server-without-firewall");
  expect(named?.map(({ resource }) => resource)).toEqual(["got-tmp"]);
}, 120_000);

test("without namespaces it is not started while a token or .clawdlets is in reach", async () => {
  const { clone, plugin } = await hostileClone("refused");
  rmSync(plugin);
  // A machine where unshare is not allowed.
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(
    join(bin, "unshare"),
    "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n",
    {
      mode: 0o755,
    },
  );
  const PATH = `${bin}:${process.env["PATH"]}`;
  const refused = await clone.preview(["--all", "--format", "json"], { ...token, PATH });
  expect(refused.exitCode).toBe(exitCodes.usage);
  expect(refused.stderr).toMatch(/cannot be sandboxed here \(unshare: .*not permitted\).*GITHUB_TOKEN, HCLOUD_TOKEN/);
  expect(refused.stdout).toBe("");
  mkdirSync(join(clone.root, ".clawdlets"), { mode: 0o700 });
  const { exitCode, stderr } = await clone.preview(["--all"], { PATH });
  expect(exitCode).toBe(exitCodes.usage);
  expect(stderr).toContain(join(clone.root, ".clawdlets"));
}, 120_000);

test("an import carries no file from elsewhere into the program", async () => {
  const clone = new Clone(join(folder, "import"));
  await clone.host("web-1");
  const secret = join(folder, "secret.json");
  writeFileSync(secret, '{"token": "canary-in-a-file"}');
  writeFileSync(
    join(clone.root, "index.ts"),
    `import secret from ${JSON.stringify(secret)};\nthrow new Error(secret.token);\n`,
  );
  await clone.commit("an import");
  const { stdout, exitCode } = await clone.preview(["--all", "--format", "json"]);
  expect(exitCode).toBe(exitCodes.settings);
  expect(stdout).not.toContain("canary-in-a-file");
}, 120_000);
