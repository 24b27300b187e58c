import { writeFileSync } from "node:fs";
import { execa } from "execa";
import { expect, it } from "vitest";
import { whyNot } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";

/** A run of vitest in a folder of its own, with one check that needs a program nobody has. */
async function runLeftOut(ci: string) {
  const folder = temporaryFolder();
  const test = `import { describeWith } from ${JSON.stringify(new URL("../_needs.ts", import.meta.url).pathname)};
describeWith({ programs: ["no-such-program"] }, "what it shows", () => { throw new Error("was run"); });`;
  writeFileSync(`${folder}/left-out.test.ts`, test);
  writeFileSync(`${folder}/vitest.config.mjs`, "export default {};");
  return await execa("vitest", ["run", "--root", folder], {
    preferLocal: true,
    env: { CI: ci },
    all: true,
    reject: false,
  });
}

it("says which program is missing, and that root is", () => {
  expect(whyNot({ programs: ["sh"] })).toBeUndefined();
  expect(whyNot({ programs: ["sh", "no-such-program"] })).toBe("there is no no-such-program on this machine");
});

it("prints a check that is left out with its reason, and passes", async () => {
  const { exitCode, all } = await runLeftOut("");
  expect(all).toContain("left out: what it shows: there is no no-such-program on this machine");
  expect(exitCode).toBe(0);
});

it("fails for a check that is left out under CI", async () => {
  const { exitCode, all } = await runLeftOut("true");
  expect(all).toContain("Under CI nothing may be left out.");
  expect(exitCode).not.toBe(0);
});
