import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { codeOfExit } from "../../core/base/problem.ts";
import { type ProblemCode, problemCodes } from "../../core/base/problem-codes.ts";
import { repository } from "../_repository.ts";

const page = readFileSync(join(repository, "docs", "problems.md"), "utf8");
const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (.+) \|$/gm)].map(([, code, meaning]) => [code, meaning]);

it("docs/problems.md lists every code, with its meaning, and no other", () => {
  expect(rows).toEqual(Object.entries(problemCodes));
});

it("codes are lower-case words with hyphens", () => {
  for (const code of Object.keys(problemCodes)) expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
});

/** The code that an error without one of its own gets by its exit code. */
const isOfExit = (code: string) => Object.values(exitCodes).some((exitCode) => codeOfExit(exitCode) === code);

it("every code is used by a source, by name or as the exit code of an error", async () => {
  const folders = ["bin", "cli", "components", "core", "engine", "policy", "provider", "toolchain"];
  const { stdout } = await execa("git", ["ls-files", ...folders], { cwd: repository });
  const files = stdout.split("\n").filter((path) => /\.m?ts$/.test(path) && !path.endsWith("problem-codes.ts"));
  // A code that is only compared with is not one that anybody gets.
  const texts = files.map((path) => readFileSync(join(repository, path), "utf8").replace(/[!=]== "[a-z-]+"/g, ""));
  const isUsed = (code: ProblemCode) => isOfExit(code) || texts.some((text) => text.includes(`"${code}"`));
  expect((Object.keys(problemCodes) as ProblemCode[]).filter((code) => !isUsed(code))).toEqual([]);
});
