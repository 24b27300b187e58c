/** Projects of others load `@clawdlets/infra/plain-errors` before the program, so it also covers errors before the first import of ours. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { repository } from "../_repository.ts";
import { examples, examplesFolder } from "../examples/_example.ts";
import { installPacked } from "./_tarball.ts";

const projects: Array<[name: string, file: string]> = [
  ["the template of clawdlets new", join(repository, "core/tasks/new/template/Pulumi.yaml")],
  ...examples.map((name): [string, string] => [`examples/${name}`, join(examplesFolder, name, "Pulumi.yaml")]),
];

interface Runtime {
  name?: string;
  options?: { nodeargs?: string };
}
const runtimeOf = (file: string): Runtime | string => parse(readFileSync(file, "utf8")).runtime;
const inNode = projects.filter(([, file]) => {
  const runtime = runtimeOf(file);
  return (typeof runtime === "string" ? runtime : runtime.name) === "nodejs";
});

// As @pulumi/pulumi shows it: by a copy of util.inspect, with colours.
const show = `
  const error = Object.assign(new Error("refused"), { stack: "Error: refused", code: 1 });
  process.stdout.write(require("node:util").inspect(error, { colors: true }));
`;

describe("an error before the first import of ours", () => {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-plain-errors-"));
  beforeAll(() => installPacked(folder, ["tsx"]), 180_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is shown with colours without our part", async () => {
    const { stdout, stderr } = await execa(process.execPath, ["-e", show], { cwd: folder, reject: false });
    expect(stdout, stderr).toContain("\u001b[");
  });

  it("is tried in all programs for Node", () => {
    const programs = examples.filter((name) =>
      ["index.ts", "index.js"].some((file) => existsSync(join(examplesFolder, name, file))),
    );
    expect(inNode.map(([name]) => name)).toEqual([
      "the template of clawdlets new",
      ...programs.map((name) => `examples/${name}`),
    ]);
  });

  it.each(inNode)("is shown without colours in %s", async (_, file) => {
    const runtime = runtimeOf(file);
    const nodeargs = typeof runtime === "string" ? "" : (runtime.options?.nodeargs ?? "");
    const args = [...nodeargs.split(" ").filter((arg) => arg !== ""), "-e", show];
    const { stdout, stderr } = await execa(process.execPath, args, { cwd: folder, reject: false });
    expect(stdout, stderr).toBe("[Error: refused] { code: 1 }");
  });
});
