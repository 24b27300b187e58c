import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { parse } from "yaml";
import { routes } from "../../emulator/api/routes.ts";
import { repository } from "../_repository.ts";
import { knownToFail, leftOut } from "../conformance/known.ts";
import { judge, outcomesIn } from "../conformance/verdict.ts";

const output = `=== RUN   TestAccOne
=== PAUSE TestAccOne
=== RUN   TestAccTwo
=== RUN   TestAccTwo/part
    two_test.go:12: wrong
--- FAIL: TestAccTwo (0.10s)
    --- FAIL: TestAccTwo/part (0.10s)
=== RUN   TestAccThree
--- SKIP: TestAccThree (0.00s)
=== RUN   TestAccFour
=== CONT  TestAccOne
--- PASS: TestAccOne (1.52s)
panic: test timed out after 1s
`;

describe("the outcomes of a Go test program", () => {
  it("are read from its output, and a test that did not end is unfinished", () => {
    expect(Object.fromEntries(outcomesIn(output))).toEqual({
      TestAccOne: "pass",
      TestAccTwo: "fail",
      TestAccThree: "skip",
      TestAccFour: "unfinished",
    });
  });

  it("are as expected only where the tests that fail are those that are known to", () => {
    const outcomes = outcomesIn(output);
    const counts = { passed: 1, failed: 2, skipped: 1 };
    expect(judge(outcomes, new Set(["TestAccTwo", "TestAccFour"]))).toEqual({ ...counts, unexpected: [], fixed: [] });
    expect(judge(outcomes, new Set(["TestAccOne", "TestAccTwo"]))).toEqual({
      ...counts,
      unexpected: ["TestAccFour"],
      fixed: ["TestAccOne"],
    });
    expect(judge(outcomes, new Set(["TestAccThree", "TestAccFive"]))).toMatchObject({
      unexpected: ["TestAccTwo", "TestAccFour"],
      fixed: [],
    });
  });
});

describe("docs/conformance.md", () => {
  const page = readFileSync(join(repository, "docs", "conformance.md"), "utf8");

  it("names every collection that the emulator answers for", () => {
    const collections = new Set(routes.map(({ template }) => `/${template.split("/")[1]}`));
    expect(collections.size).toBeGreaterThan(10);
    expect([...collections].filter((collection) => !page.includes(`\`${collection}\``))).toEqual([]);
  });

  it("is right that every operation of these collections is there", () => {
    const { paths } = JSON.parse(readFileSync(join(repository, "emulator", "openapi", "openapi.json"), "utf8"));
    const shape = (template: string) => template.replace(/\{\w+\}/g, "{}");
    const present = new Set(routes.map(({ method, template }) => `${method} ${shape(template)}`));
    const collections = new Set(routes.map(({ template }) => template.split("/")[1]));
    const described = Object.entries<Record<string, unknown>>(paths)
      .filter(([template]) => collections.has(template.split("/")[1]))
      .flatMap(([template, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), template] as const))
      .filter(([method]) => ["GET", "POST", "PUT", "DELETE"].includes(method))
      .map(([method, template]) => `${method} ${shape(template)}`);
    expect(described.length).toBeGreaterThan(100);
    expect(described.filter((operation) => !present.has(operation))).toEqual([]);
  });

  it("names every test of the provider that is left out or known to fail, with the reason", () => {
    for (const [name, reason] of Object.entries({ ...leftOut, ...knownToFail })) {
      expect(page).toContain(`| \`${name}\` | ${reason} |`);
    }
  });
});

test("the nightly workflow runs the conformance tests and keeps what they printed", () => {
  const { on, jobs } = parse(readFileSync(join(repository, ".github", "workflows", "nightly.yml"), "utf8"));
  expect(on.schedule).toHaveLength(1);
  const steps: { run?: string; if?: string; with?: { path?: string } }[] = jobs.conformance.steps;
  expect(steps.find(({ run }) => run?.startsWith("npm run conformance"))?.run).toBe(
    "npm run conformance -- --log conformance-logs",
  );
  expect(steps.at(-1)).toMatchObject({ if: "always()", with: { path: "conformance-logs" } });
});
