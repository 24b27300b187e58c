import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";

/** tsx by its own command, or loaded without bin/compiled/tsx.cjs: it runs what another user has put into /tmp/tsx-<uid>. */
const bare =
  /(npx |\.bin\/|"|^|&& )tsx (scripts|toolchain|test|cli|core)\/|--import tsx|require\("tsx|import\("tsx|from "tsx/m;

/** Tests have it switched off by vitest.config.ts; the examples are programs of others, run by `clawdlets env`. */
const others = /^(test|examples|core\/tasks\/new\/template)\//;

it("our own TypeScript is run without tsx's cache in a shared folder, wherever it is", async () => {
  const { stdout } = await execa("git", ["ls-files"], { cwd: repository });
  const files = stdout
    .split("\n")
    .filter((file) => /\.(ts|[cm]js|sh|json|ya?ml|md)$|githooks/.test(file) && !others.test(file));
  const found = files.flatMap((file) => {
    const lines = readFileSync(join(repository, file), "utf8").split("\n");
    return lines
      .filter((line) => bare.test(line) && !line.includes("withNothingShared("))
      .map((line) => `${file}: ${line}`);
  });
  expect(found).toEqual([]);
  expect(files.length).toBeGreaterThan(300);
});
