import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";

/** Programs below these folders, the public library's default, and the module that makes the environment of children. */
const readers = [
  "components/load-group.ts",
  "components/load-host.ts",
  "core/base/machine/environment.ts",
  "core/host/window/guarding.ts",
  "engine/preview/warm/program-worker.ts",
  "policy/pack.ts",
];

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");

it("below the commands, process.env is read by entry points and by one module alone", async () => {
  const folders = ["core", "components", "engine", "policy"];
  const { stdout } = await execa("git", ["ls-files", "--cached", "--others", "--exclude-standard", ...folders], {
    cwd: repository,
  });
  const files = stdout.split("\n").filter((file) => file.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(200);
  const found = files.filter((file) => {
    const text = withoutComments(readFileSync(join(repository, file), "utf8"));
    return /\bprocess\s*(?:\.|\?\.)\s*env\b|\bprocess\["env"\]|import \{[^}]*\benv\b[^}]*\} from "node:process"/.test(
      text,
    );
  });
  expect(found.sort()).toEqual(readers);
});

// With a socket as its input, which is what Node gives a child, `bash -c` reads ~/.bashrc: a test that kills it may leave what that had begun.
it("the tests read nobody's .bashrc", async () => {
  const { stdout } = await execa("git", ["grep", "-nE", `"bash", (\\[)?"-[a-z]*c"`, "--", "test/**.ts"], {
    cwd: repository,
    reject: false,
  });
  const left = stdout.split("\n").filter((line) => !line.startsWith("test/repo/environment.test.ts:"));
  expect(left.filter(Boolean)).toEqual([]);
});
