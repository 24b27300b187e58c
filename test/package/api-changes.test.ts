import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { apiChanges, readApi, unnamed } from "../../scripts/_build/api-changes.ts";
import { repository } from "../_repository.ts";

const page = readFileSync(join(repository, "docs/api.md"), "utf8");
const api = (members: string, signature = "") =>
  readApi(`# API\n\n## FooArgs\n\nText.\n\n${signature}| name | type | what |\n| --- | --- | --- |\n${members}\n`);
const row = (name: string, type = "string") => `| \`${name}\` | \`${type}\` | what |\n`;
const said = (before: ReturnType<typeof api>, after: ReturnType<typeof api>) =>
  apiChanges(before, after).map(({ name, what, isBreaking }) => `${isBreaking ? "!" : "+"} ${name} ${what}`);

describe("the API report", () => {
  it("is read back from docs/api.md: every export, with its members", () => {
    const read = readApi(page);
    expect([...read.keys()]).toEqual(page.match(/(?<=^## )\w+/gm));
    for (const name of read.keys()) {
      const { signature, members } = read.get(name) ?? { signature: "", members: new Map() };
      const rows = page.split(`## ${name}\n`)[1]?.split("\n## ")[0]?.match(/^\| `/gm) ?? [];
      expect([name, members.size]).toEqual([name, rows.length]);
      if (rows.length === 0 && !/^## \w+\n\n[^|]*\n\nSource/m.test(`## ${name}\n`))
        expect(typeof signature).toBe("string");
    }
    expect(read.get("HostFirewallArgs")?.members.size).toBeGreaterThan(2);
  });

  it("differs from itself in nothing", () => expect(apiChanges(readApi(page), readApi(page))).toEqual([]));

  it.each([
    ["a member that is gone", row("a") + row("b"), row("a"), ["! FooArgs.b is gone"]],
    ["another type", row("a"), row("a", "number"), ["! FooArgs.a has the type number, and had string"]],
    ["a union in a table", row("a", "x \\| y"), row("a", "x"), ["! FooArgs.a has the type x, and had x \\| y"]],
    ["an input that is required now", row("a?"), row("a"), ["! FooArgs.a is required now"]],
    ["an input that is optional now", row("a"), row("a?"), ["+ FooArgs.a is optional now"]],
    ["a new input that is required", row("a"), row("a") + row("b"), ["! FooArgs.b is new"]],
    ["a new input that is optional", row("a"), row("a") + row("b?"), ["+ FooArgs.b is new"]],
  ])("names %s", (_, before, after, changes) => expect(said(api(before), api(after))).toEqual(changes));

  it("takes an output for what a program reads: optional breaks it, a new one does not", () => {
    const output = (members: string) => readApi(`## Foo\n\n${members}`);
    expect(said(output(row("a")), output(row("a?") + row("b")))).toEqual(["! Foo.a is optional now", "+ Foo.b is new"]);
  });

  it("names an export that is gone or new, and another signature", () => {
    const of = (name: string, signature: string) => readApi(`## ${name}\n\n\`\`\`ts\n${signature}\n\`\`\`\n`);
    expect(said(of("a", "x"), of("b", "x"))).toEqual(["! a is gone", "+ b is new"]);
    expect(said(of("a", "function a(): void"), of("a", "function a(b: string): void"))).toEqual([
      "! a is now function a(b: string): void",
    ]);
  });

  it("wants each breaking change named in the changelog's newest section", () => {
    const changes = apiChanges(api(row("a") + row("b")), api(""));
    const changelog =
      "# Changelog\n\n## Unreleased\n\n### Added\n\n- `FooArgs.a`\n\n### Breaking\n\n- `FooArgs.b`: use c\n\n## 0.1\n\n### Breaking\n\n- `FooArgs.a`\n";
    expect(unnamed(changes, changelog).map(({ name }) => name)).toEqual(["FooArgs.a"]);
  });
});
