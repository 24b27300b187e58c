import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readablePackages } from "../../../../engine/preview/packages.ts";
import { temporaryFolder } from "../../../_project.ts";

/** A project with packages of its own, below a folder that stands for the rest of the machine. */
function place() {
  const machine = temporaryFolder();
  const project = join(machine, "home", "project");
  const packages = join(project, "node_modules");
  const keep = join(project, ".clawdlets");
  for (const path of [join(packages, "zod"), join(packages, "@pulumi"), keep]) mkdirSync(path, { recursive: true });
  const aPackage = (path: string) => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "package.json"), "{}");
    return path;
  };
  const link = (name: string, target: string) => symlinkSync(target, join(packages, name));
  const readable = () => readablePackages(packages, project, keep);
  return { machine, project, packages, keep, aPackage, link, readable };
}

describe("what a previewed program reads of the packages", () => {
  it("is the folder itself where nothing is linked", () => {
    const { packages, readable } = place();
    expect(readable()).toEqual([packages]);
  });

  it.each(["pulumi", "@pulumi/pulumi"])("includes the node_modules folder that %s is linked to, once", (name) => {
    const { machine, packages, aPackage, link, readable } = place();
    link(name, aPackage(join(machine, "node_modules", ".pnpm", "p@1", "node_modules", "pulumi")));
    link("other", aPackage(join(machine, "node_modules", ".pnpm", "o@1", "node_modules", "other")));
    expect(readable()).toEqual([packages, join(machine, "node_modules")]);
  });

  it("includes a scope that is a link", () => {
    const { machine, packages, aPackage, link, readable } = place();
    aPackage(join(machine, "node_modules", "@acme", "x"));
    link("@acme", join(machine, "node_modules", "@acme"));
    expect(readable()).toEqual([packages, join(machine, "node_modules")]);
  });

  it("includes a workspace's package of this project", () => {
    const { project, packages, aPackage, link, readable } = place();
    link("ours", aPackage(join(project, "packages", "ours")));
    expect(readable()).toEqual([packages, join(project, "packages", "ours")]);
  });

  it("needs nothing more for a link among the packages, and leaves out one to nothing", () => {
    const { packages, link, readable } = place();
    link("alias", join(packages, "zod"));
    link("gone", join(packages, "nowhere"));
    expect(readable()).toEqual([packages]);
  });

  it.each([
    ["a folder of the user", (at: ReturnType<typeof place>) => at.aPackage(join(at.machine, "home", "other"))],
    [
      "the user's home, which holds the project",
      (at: ReturnType<typeof place>) => at.aPackage(join(at.machine, "home")),
    ],
    ["the project itself", (at: ReturnType<typeof place>) => at.aPackage(at.project)],
    [".clawdlets", (at: ReturnType<typeof place>) => at.aPackage(at.keep)],
    ["a folder in .clawdlets", (at: ReturnType<typeof place>) => at.aPackage(join(at.keep, "secrets"))],
    [
      "a folder that is not a package",
      (at: ReturnType<typeof place>) => join(at.project, "node_modules", "..", "stacks"),
    ],
    ["a folder whose name starts as ours does", (at: ReturnType<typeof place>) => at.aPackage(`${at.project}-2`)],
  ])("leaves out %s", (_, target) => {
    const at = place();
    mkdirSync(join(at.project, "stacks"));
    at.link("hostile", target(at));
    expect(at.readable()).toEqual([at.packages]);
  });
});
