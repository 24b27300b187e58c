/** The workflow `release`: what is published is what was tested, and no job that may publish runs a package. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { repository } from "../_repository.ts";

interface Job {
  needs?: string;
  environment?: string;
  permissions: Record<string, string>;
  steps: { uses?: string; run?: string; env?: Record<string, string> }[];
}
const text = readFileSync(join(repository, ".github/workflows/release.yml"), "utf8");
const jobs: Record<string, Job> = parse(text).jobs;
const commandsOf = (job: Job) => job.steps.map(({ run = "" }) => run).join("\n");
const publishing = Object.entries(jobs).filter(
  ([, job]) =>
    Object.entries(job.permissions).some(([, right]) => right === "write") ||
    JSON.stringify(job.steps).includes("secrets."),
);

describe("a job that may publish", () => {
  it("is one of two, and waits for a person", () => {
    expect(publishing.map(([name, { environment }]) => [name, environment])).toEqual([
      ["publish", "release"],
      ["publish-template", "template"],
    ]);
  });

  it("has the workflow's identity only where npm takes it", () => {
    const named = Object.entries(jobs).filter(([, { permissions }]) => "id-token" in permissions);
    expect(named.map(([name]) => name)).toEqual(["publish"]);
    expect(commandsOf(jobs["publish"] as Job)).toMatch(/npm publish \S+ --provenance .*--ignore-scripts/);
  });

  it.each(publishing)("%s: checks out nothing, and runs no package", (_, job) => {
    expect(job.steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"))).toEqual([]);
    expect(commandsOf(job)).not.toMatch(/npm (ci|install|test|run|exec)|npx|node |sh scripts/);
  });
});

it("publishes only after the tests, the public API, the version and the size of the tarball were checked", () => {
  const build = commandsOf(jobs["build"] as Job);
  const order = [
    "npm test",
    "npm run api -- --against",
    "release-notes.ts",
    "npm pkg delete private",
    "npm pack",
    "-lt 1000000",
  ];
  const places = order.map((part) => build.indexOf(part));
  expect(places).not.toContain(-1);
  expect(places).toEqual(places.toSorted((left, right) => left - right));
  expect(jobs["publish"]?.needs).toBe("build");
});

it("nobody publishes by hand: package.json is private until the workflow releases it", () => {
  expect(JSON.parse(readFileSync(join(repository, "package.json"), "utf8")).private).toBe(true);
});
