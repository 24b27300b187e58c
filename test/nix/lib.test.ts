import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { describeWith } from "../_needs.ts";
import { repository } from "../_repository.ts";
import { evaluate, nix } from "./_nix.ts";

interface NixTest {
  expr: unknown;
  expected: unknown;
}

const files = (folder: string) =>
  readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".nix"))
    .map((file) => join(folder, file));

/** Files of `{ "a fact" = { expr; expected; }; }`, as nixpkgs' lib.runTests takes them. */
const tests = files("test/nix/lib");

describeWith({ programs: ["nix-instantiate"] }, "functions of nix/lib", async () => {
  for (const file of tests) {
    const facts = (await evaluate(`import ./${file}`)) as Record<string, NixTest>;
    for (const [fact, { expr, expected }] of Object.entries(facts)) {
      it(`${basename(file, ".nix")}: ${fact}`, () => expect(expr).toEqual(expected));
    }
  }
});

describeWith({ programs: ["nix-instantiate"] }, "Nix files", () => {
  const all = ["flake.nix", ...files("nix"), ...files("test/nix")];

  it.each(all)("%s can be read by Nix", async (file) => {
    const { exitCode, stderr } = await nix("--parse", file);
    expect(stderr, file).toBe("");
    expect(exitCode).toBe(0);
  });

  // W04 of statix, which nix flake check runs: the one finding that a line shows.
  it.each(all)("%s takes attributes by inherit", (file) => {
    const lines = readFileSync(join(repository, file), "utf8").split("\n");
    expect(lines.filter((line) => /^\s*([\w-]+) = [\w.]+\.\1( or [^;]*)?;$/.test(line))).toEqual([]);
  });
});

/** What was wrong in the virtual machine's test, which runs on no machine of ours. */
it("the VM test delivers keys before there are users, and pipes into nothing that ends early", () => {
  const text = readFileSync(join(repository, "nix/checks/vm.nix"), "utf8");
  expect(text).not.toMatch(/install [^\n]*(-o|-g|--owner|--group)\b/);
  expect(text).not.toMatch(/\|[^\n"]*\bgrep -\w*q/);
  expect(text).toMatch(/wait_until_succeeds\("grep -x canary-token/);
});
