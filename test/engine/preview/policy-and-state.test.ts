import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, expect, test } from "vitest";
import { exitCodes } from "../../../core/base/exit-codes.ts";
import { problemSentence } from "../../../core/base/problem.ts";
import { findEngine } from "../../../engine/find-engine.ts";
import type { PreviewReport } from "../../../engine/preview/plan/report.ts";
import { repository } from "../../_check-tools.ts";
import { guilty, planted } from "../../policy/_stacks.ts";
import { endNamedLanguageHosts } from "../../toolchain/_named-parts.ts";
import { Clone } from "./_clone.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-policy-"));
afterAll(() => {
  endNamedLanguageHosts(folder);
  rmSync(folder, { recursive: true, force: true });
});

const reportOf = (stdout: string): PreviewReport => JSON.parse(stdout);

test("each planted violation of the policy fails the preview, and shows in the pull request's table", async () => {
  const clone = new Clone(join(folder, "guilty"));
  await clone.host("web-1");
  writeFileSync(join(clone.root, "index.ts"), guilty);
  await clone.commit("a team's own program");
  const { exitCode, stdout, stderr } = await clone.preview(["--all", "--format", "json"]);
  expect(exitCode, stderr).toBe(exitCodes.dangerous);
  const [host] = reportOf(stdout).hosts;
  for (const { rule, resource, message } of planted) {
    // The stack itself is called after the project and the host.
    const name = resource === "lab-s" ? "clawdlets-web-1" : resource;
    const found = { rule, resource: name, mandatory: true, message: expect.stringContaining(message) };
    expect(host?.violations, `${rule}: ${resource}`).toContainEqual(expect.objectContaining(found));
  }
  const table = await clone.preview(["--all", "--format", "markdown"]);
  expect(table.stdout).toMatch(/^\| ⛔ \*\*dangerous\*\* \| `web-1` \| .*ssh-open-to-the-world.*\|$/m);
}, 120_000);

test("the policy's settings are those that are committed", async () => {
  const clone = new Clone(join(folder, "tuned"));
  await clone.host("web-1");
  writeFileSync(join(clone.root, "clawdlets-policy.json"), JSON.stringify({ "cost-above-limit": { monthlyEur: 10 } }));
  const strict = await clone.preview(["--all", "--format", "json"]);
  expect(strict.exitCode, strict.stderr).toBe(exitCodes.dangerous);
  expect(reportOf(strict.stdout).hosts[0]?.violations.map(({ rule }) => rule)).toEqual(["cost-above-limit"]);
}, 120_000);

test("--state previews the real change, with the credentials that are there", async () => {
  const clone = new Clone(join(folder, "state"));
  await clone.host("web-1");
  clone.edit(
    "stacks/Pulumi.web-1.yaml",
    /^encryptionsalt: .*\n/m.exec(readFileSync(clone.file("web-1"), "utf8"))?.[0] ?? "",
    "",
  );
  const engine = findEngine(repository);
  if (!engine) throw new Error("No engine in .toolchain: run scripts/setup.sh first.");
  const state = join(folder, "shared-state");
  const home = join(clone.root, "nobody");
  for (const each of [state, home]) mkdirSync(each);
  const credentials = {
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: "of-the-team",
    HCLOUD_TOKEN: "a".repeat(64),
  };
  await execa(engine.pulumi, ["stack", "init", "web-1", "--non-interactive"], {
    cwd: clone.root,
    env: {
      ...credentials,
      PULUMI_HOME: engine.pulumiHome,
      PATH: [engine.binDir, process.env["PATH"]].join(delimiter),
      HOME: home,
    },
    extendEnv: false,
  });
  const { exitCode, stdout, stderr } = await clone.preview(
    ["--all", "--state", "--no-refresh", "--format", "json"],
    credentials,
  );
  expect(exitCode, stdout + stderr).toBe(exitCodes.changes);
  const report = reportOf(stdout);
  expect(report.comparedWith).toBe("the state");
  expect(report.hosts[0]?.changes.map(({ op, kind }) => `${op} ${kind}`).sort()).toEqual([
    "create Command",
    "create Command",
    "create Firewall",
    "create Server",
    "create SshKey",
  ]);
  expect(stdout + stderr).not.toContain("of-the-team");
  const wrong = await clone.preview(["--all", "--state", "--format", "json"], {
    ...credentials,
    PULUMI_CONFIG_PASSPHRASE: "another",
  });
  expect(wrong.exitCode).toBe(exitCodes.settings);
  expect(reportOf(wrong.stdout).hosts[0]?.problems.map(problemSentence)[0]).toContain("incorrect passphrase");
}, 180_000);
