/** Programs in other languages, which use the package as Pulumi's engine starts it: as a component package, from the packed tarball. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { componentSchema } from "../../scripts/_build/component-schema.ts";
import { ensureLanguages, type Languages } from "../../toolchain/index.ts";
import { describeWith } from "../_needs.ts";
import { killProcessesOf, processesOf } from "../_processes.ts";
import { repository } from "../_repository.ts";
import { type Example, examplesFolder, must, prepareExample, withEngine } from "./_example.ts";

const schemaFile = join(repository, "provider", "schema.json");

it("the schema describes the components as they are declared", () => {
  expect(readFileSync(schemaFile, "utf8"), "npm run schema").toBe(componentSchema(repository));
}, 180_000);

describeWith({ programs: ["go", "python3", "pip3"], languages: true }, "a program in another language", () => {
  const parent = mkdtempSync(join(tmpdir(), "clawdlets-languages-"));
  let languages: Languages;
  beforeAll(async () => {
    const sources = join(repository, "toolchain");
    languages = await ensureLanguages({ root: repository, sources, report: () => undefined });
  }, 1_200_000);
  const running: Example[] = [];
  afterAll(async () => {
    for (const example of running) await example.close();
    rmSync(parent, { recursive: true, force: true });
  });

  /** The example with a stack, and `pulumi` in it. */
  async function start(name: string) {
    const example = await prepareExample(name, join(parent, name), ["web-1"]);
    running.push(example);
    const env = { PATH: `${languages.folder}:${process.env["PATH"]}` };
    const pulumi = (line: string) => example.shell(withEngine(`pulumi ${line}`), { env });
    await must(pulumi("stack init prod"));
    return { ...example, pulumi };
  }

  it("YAML: makes the resources that the program in TypeScript makes, refuses what is misspelled, and deletes them", async () => {
    const { folder, emulator, pulumi } = await start("yaml-program");
    const file = join(folder, "Pulumi.yaml");
    const program = readFileSync(file, "utf8");
    const withHost = async (properties: string, command: string) => {
      writeFileSync(file, program.replace(/properties:\n(?: {6}.*\n)+/, `properties: ${properties}\n`));
      const { exitCode, all } = await pulumi(command);
      writeFileSync(file, program);
      expect(exitCode, all).not.toBe(0);
      expect(emulator.report().servers).toEqual([]);
      return all.replace(/\s+/g, " ");
    };
    expect(await withHost("{ settings: { serverTyp: cx43 } }", "preview")).toContain('did you mean "serverType"?');
    expect(await withHost("{ settings: { serverType: cx53 } }", "preview")).toMatch(
      /stacks\/Pulumi\.web-1\.yaml: clawdlets:serverType: is \\?"cx43\\?" here, and \\?"cx53\\?" in the program/,
    );
    expect(await withHost("{ host: web-2, settings: { serverType: cx43 } }", "up --yes --skip-preview")).toMatch(
      /stacks\/Pulumi\.web-2\.yaml: there is no such file/,
    );

    await must(pulumi("preview"));
    await untilNoneRunsIn(folder);
    await must(pulumi("up --yes --skip-preview"));
    expect(emulator.report().servers).toMatchObject([{ name: "web-1", os: "nixos", installRuns: 1 }]);
    await must(pulumi("preview --expect-no-changes"));
    const typescript = await start("one-host");
    await must(typescript.pulumi("up --yes --skip-preview"));
    expect(await resources(pulumi)).toEqual(await resources(typescript.pulumi));

    const stack = join(folder, "stacks", "Pulumi.web-1.yaml");
    writeFileSync(stack, readFileSync(stack, "utf8").replace("config:\n", "config:\n  clawdlets:protect: false\n"));
    await must(pulumi("up --yes --skip-preview"));
    await must(pulumi("destroy --yes --skip-preview"));
    expect(emulator.report().servers).toEqual([]);
    await untilNoneRunsIn(folder);
  }, 600_000);

  it("Go: the generated SDK compiles", async () => {
    const folder = join(parent, "go");
    await execa(languages.sdkgen, [schemaFile, "go", folder]);
    // With the modules that the generator was built from, which are here already.
    const pins = join(repository, "toolchain", "languages");
    const module = readFileSync(join(pins, "go.mod"), "utf8");
    const sdk = join(folder, "clawdlets");
    writeFileSync(
      join(sdk, "go.mod"),
      module.replace(/^module .*/m, "module example.com/pulumi-clawdlets/sdk/go/clawdlets"),
    );
    cpSync(join(pins, "go.sum"), join(sdk, "go.sum"));
    // As the toolchain builds (toolchain/go.ts), so that what it has compiled is used.
    const env = { GOFLAGS: "-mod=readonly -trimpath -buildvcs=false", GOWORK: "off", CGO_ENABLED: "0" };
    await execa("go", ["build", "./..."], { cwd: sdk, env });
  }, 600_000);

  it("Python: the generated SDK compiles, and its classes take the inputs of the schema", async () => {
    const folder = join(parent, "python");
    await execa(languages.sdkgen, [schemaFile, "python", folder]);
    await execa("python3", ["-m", "compileall", "-q", folder]);
    const host = readFileSync(join(folder, "pulumi_clawdlets", "host.py"), "utf8");
    const { resources: declared } = JSON.parse(readFileSync(schemaFile, "utf8"));
    for (const input of Object.keys(declared["clawdlets:index:Host"].inputProperties)) {
      expect(host).toContain(`${input.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}:`);
    }
  }, 120_000);

  it("Python: the example declares its host, under Pulumi's own SDK for Python", async () => {
    const [sdk, site] = [join(parent, "python-sdk"), join(parent, "site")];
    await execa(languages.sdkgen, [schemaFile, "python", sdk]);
    const cwd = join(examplesFolder, "python-program");
    // PyPI gets a version later than npm, or not at all: what the example asks for is what its users get.
    await execa("pip3", ["install", "--quiet", "--target", site, "--requirement", join(cwd, "requirements.txt"), sdk]);
    const options = { cwd, env: { PYTHONPATH: site } };
    const { stdout } = await execa("python3", ["-B", "-c", declaredInPython], options);
    const rule = { protocol: "tcp", port: "443", sourceIps: ["0.0.0.0/0", "::/0"] };
    expect(JSON.parse(stdout)).toEqual([["clawdlets:index:Host", "web-1", { firewallRules: [rule] }]]);
  }, 300_000);
});

/** Runs `__main__.py` as Pulumi's SDK does in unit tests, without an engine, and prints the resources that it declares. */
const declaredInPython = `
import json, runpy, pulumi

declared = []

class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args):
        declared.append([args.typ, args.name, args.inputs])
        return [args.name, args.inputs]

    def call(self, args):
        return {}

pulumi.runtime.set_mocks(Mocks())

@pulumi.runtime.test
def program():
    runpy.run_path("__main__.py")

program()
print(json.dumps(declared))
`;

/** Pulumi's engine ends without ending a component package's language host: ours notices, the official one after five minutes. */
async function untilNoneRunsIn(folder: string): Promise<void> {
  if (process.env["CLAWDLETS_LANGUAGE_HOST"] === undefined)
    await expect.poll(() => processesOf(folder), { timeout: 20_000 }).toEqual([]);
  else killProcessesOf(folder);
}

/** Types and names of a stack's resources, sorted. Providers are named after their version and the language that asked for it. */
async function resources(pulumi: (line: string) => ReturnType<Example["shell"]>): Promise<string[]> {
  const { deployment } = JSON.parse(await must(pulumi("stack export")));
  const all: { urn: string; type: string }[] = deployment.resources;
  return all
    .filter(({ type }) => !type.startsWith("pulumi:providers:"))
    .map(({ urn }) => urn.split("::").slice(2).join("::"))
    .toSorted();
}
