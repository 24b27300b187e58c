import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";

it("git is run in two places, which start nothing of a repository's configuration", async () => {
  const { stdout } = await execa("git", ["ls-files", "cli", "components", "core", "engine", "policy"], {
    cwd: repository,
  });
  const files = stdout.split("\n").filter((file) => file.endsWith(".ts"));
  const running = files.filter((file) =>
    /\b(run|execa|execaSync|spawn|spawnSync)\(\s*"git"/.test(readFileSync(join(repository, file), "utf8")),
  );
  expect(running).toEqual(["core/base/machine/git-answer.ts", "core/base/machine/git.ts"]);
  expect(files.length).toBeGreaterThan(150);
});
