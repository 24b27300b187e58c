import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { repository } from "../_repository.ts";
import { testProjects } from "../projects.ts";

it("every test file is in exactly one project", async () => {
  const asked = ["ls-files", "--cached", "--others", "--exclude-standard", "test"];
  const { stdout } = await execa("git", asked, { cwd: repository });
  const files = stdout.split("\n").filter((file) => file.endsWith(".test.ts"));
  expect(files.length).toBeGreaterThan(100);
  const folders = testProjects.flatMap((project) => project.folders);
  const counts = files.map((file) => [file, folders.filter((folder) => file.startsWith(`${folder}/`)).length] as const);
  expect(counts.filter(([, count]) => count !== 1)).toEqual([]);
});

it("CI runs every project, each as a job of its own", () => {
  const { jobs } = parse(readFileSync(join(repository, ".github/workflows/ci.yml"), "utf8"));
  expect(jobs.test.strategy.matrix.project).toEqual(testProjects.map(({ name }) => name));
});

it("CI runs the unit tests in random order", () => {
  const { jobs } = parse(readFileSync(join(repository, ".github/workflows/ci.yml"), "utf8"));
  const step = jobs.test.steps.find(({ run = "" }: { run?: string }) => run.includes("npm test"));
  expect(step.env.SHUFFLE).toContain("matrix.project == 'unit' && '--sequence.shuffle'");
  // Quoted, and no argument at all for the other projects.
  expect(step.run).toMatch(/ \$\{SHUFFLE:\+"\$SHUFFLE"\}$/);
});

it("a unit test that starts a process or opens a socket is refused", async () => {
  const config = join(repository, "test", "fixtures", "outside");
  const { exitCode, all } = await execa("vitest", ["run", "--root", config], {
    preferLocal: true,
    all: true,
    reject: false,
  });
  expect(all).toContain("A unit test called child_process.execFile.");
  expect(all).toContain("A unit test called net.connect.");
  expect(all).toContain("A unit test called net.Server.listen.");
  expect(exitCode).toBe(1);
}, 60_000);
