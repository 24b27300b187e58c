import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { layoutOf } from "../../../../core/project/layout.ts";
import { missingWorkflowFiles } from "../../../../core/tasks/repo/workflow-files.ts";
import { scaffold } from "../../../../core/tasks/scaffold.ts";
import { temporaryFolder } from "../../../_project.ts";

const files = [
  ".github/workflows/preview.yml",
  ".github/workflows/secret-scan.yml",
  ".github/dependabot.yml",
  ".gitleaks.toml",
];

const init = (root: string, dryRun = false) =>
  scaffold({
    layout: layoutOf(root),
    host: "web-1",
    entry: { adminCidr: "203.0.113.7/32", sshPubkeyFile: "~/.ssh/id_ed25519.pub", serverType: "cx43" },
    settings: {},
    dryRun,
  });

describe("clawdlets init", () => {
  test("gives a repository of one's own its workflows, and leaves those that are there", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, ".git"));
    mkdirSync(join(root, ".github", "workflows"), { recursive: true });
    writeFileSync(join(root, ".github/workflows/preview.yml"), "mine\n");
    expect(await init(root)).toEqual(expect.arrayContaining(files.slice(1)));
    expect(readFileSync(join(root, ".github/workflows/preview.yml"), "utf8")).toBe("mine\n");
    expect(readFileSync(join(root, ".gitleaks.toml"), "utf8")).toContain("hetzner-cloud-token");
    expect(missingWorkflowFiles(root)).toEqual([]);
  });

  test("writes none in a dry run, and none where there is no git", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, ".git"));
    expect(await init(root, true)).toEqual(expect.arrayContaining(files));
    expect(existsSync(join(root, ".github"))).toBe(false);
    const plain = temporaryFolder();
    expect((await init(plain)).filter((file) => files.includes(file))).toEqual([]);
  });
});
