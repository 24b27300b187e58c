import { readdirSync } from "node:fs";
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
});
