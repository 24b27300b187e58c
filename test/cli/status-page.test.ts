import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { project, temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

it("the page of addresses is warned about where git would take it, and only there", async () => {
  const { root } = project({ env: "HCLOUD_TOKEN=too-short\n" });
  const status = async (file: string) => {
    const args = ["status", "--no-drift", "--html", file];
    const { stderr } = await execa(join(repository, "bin", "clawdlets"), args, { cwd: root, reject: false });
    expect(existsSync(join(root, file)) || existsSync(file), stderr).toBe(true);
    return stderr;
  };
  const warning = "git does not ignore it";
  expect(await status("before-git.html")).not.toContain(warning);
  await execa("git", ["init", "--quiet", root]);
  expect(await status("page.html")).toContain(`page.html holds the addresses of your hosts, and ${warning}`);
  writeFileSync(join(root, ".gitignore"), "*.html\n");
  expect(await status("page.html")).not.toContain(warning);
  expect(await status(join(temporaryFolder(), "page.html"))).not.toContain(warning);
}, 60_000);
