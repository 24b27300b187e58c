/** docs/compose.md, "Add the package": its commands as they stand there, on the real engine with Pulumi's own YAML host. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { ensureLanguages } from "../../toolchain/index.ts";
import { describeWith } from "../_needs.ts";
import { repository } from "../_repository.ts";
import { packed } from "../package/_tarball.ts";
import { type Example, must, prepareExample, withEngine } from "./_example.ts";

const page = readFileSync(join(repository, "docs", "compose.md"), "utf8").split("### Add the package")[1] ?? "";
const [add = "", generate = ""] = [...page.matchAll(/```sh\n([\s\S]+?)```/g)].map(([, text]) => text?.trim());
const minutes = (count: number) => count * 60_000;

describeWith({ programs: ["go", "tar"], languages: true }, "pulumi package, with the packed tarball's folder", () => {
  const parent = mkdtempSync(join(tmpdir(), "clawdlets-add-"));
  let example: Example;
  let pulumi: (line: string) => ReturnType<Example["shell"]>;
  let before: string;
  const file = () => join(example.folder, "Pulumi.yaml");

  beforeAll(async () => {
    const sources = join(repository, "toolchain");
    const { folder } = await ensureLanguages({ root: repository, sources, report: () => undefined });
    example = await prepareExample("yaml-program", parent, ["web-1"]);
    const env = { PATH: `${folder}:${process.env["PATH"]}` };
    pulumi = (line) => example.shell(withEngine(line), { env });
    await must(pulumi("pulumi stack init prod"));
    before = await previewed(pulumi);
    copyFileSync((await packed()).path, join(example.folder, "clawdlets-infra-0.1.0.tgz"));
    // The program no longer says where the package is.
    writeFileSync(file(), readFileSync(file(), "utf8").replace(/^plugins:\n(?: .*\n)+/m, ""));
    await must(pulumi(add));
  }, minutes(20));
  afterAll(async () => {
    await example?.close();
    rmSync(parent, { recursive: true, force: true });
  }, minutes(2));

  it(
    "add: writes and links an SDK, names the folder, and the preview has the same resources",
    async () => {
      expect(parse(readFileSync(file(), "utf8")).packages).toEqual({ clawdlets: "./clawdlets" });
      expect(readdirSync(join(example.folder, "sdks", "clawdlets"))).toEqual(["clawdlets-0.1.0.yaml"]);
      expect(await previewed(pulumi)).toBe(before);
    },
    minutes(5),
  );

  it("add: brings what the package needs, and none of our development tools", () => {
    const modules = join(example.folder, "clawdlets", "node_modules");
    expect(existsSync(join(modules, "@pulumi", "pulumi"))).toBe(true);
    for (const name of ["vitest", "publint", "@biomejs"])
      expect([name, existsSync(join(modules, name))]).toEqual([name, false]);
  });

  it(
    "add: takes a symbolic link, and refuses a path with an @",
    async () => {
      symlinkSync("clawdlets", join(example.folder, "link"));
      await must(pulumi("npm_config_ignore_scripts=true pulumi package add ./link"));
      expect(parse(readFileSync(file(), "utf8")).packages).toEqual({ clawdlets: "./link" });
      const refused = await pulumi("pulumi package add ./node_modules/@clawdlets/infra");
      expect(refused.exitCode, refused.all).not.toBe(0);
      expect(refused.all).toMatch(/node_modules/);
    },
    minutes(5),
  );

  it(
    "gen-sdk: writes the SDK, and changes nothing in the project",
    async () => {
      const project = readFileSync(file(), "utf8");
      await must(pulumi(generate));
      const written = readdirSync(join(example.folder, "sdk"), { recursive: true, encoding: "utf8" });
      expect(written).toContain(join("yaml", "clawdlets-0.1.0.yaml"));
      expect(readFileSync(file(), "utf8")).toBe(project);
    },
    minutes(5),
  );
});

/** Types and names of the resources that a preview would create, a line each. */
async function previewed(pulumi: (line: string) => ReturnType<Example["shell"]>): Promise<string> {
  const { steps } = JSON.parse(await must(pulumi("pulumi preview --json 2>/dev/null")));
  const urns: string[] = steps.map(
    ({ op, urn }: { op: string; urn: string }) => `${op} ${urn.split("::").slice(2).join("::")}`,
  );
  return urns
    .filter((line) => !line.includes("pulumi:providers:"))
    .toSorted()
    .join("\n");
}
