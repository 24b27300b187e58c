import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { pins } from "../../toolchain/index.ts";
import { engine, environment, repository } from "./_stack.ts";

interface Properties {
  inputProperties?: Record<string, unknown>;
  requiredInputs?: string[];
}
interface Schema {
  version: string;
  provider: Properties;
  resources: Record<string, Properties>;
  functions: Record<string, unknown>;
}

async function pulumi(...args: string[]): Promise<string> {
  const options = { env: environment(tmpdir()), extendEnv: false, cwd: tmpdir() };
  return (await execa(engine.pulumi, args, options)).stdout;
}

/** `name` or `name?` of every argument, as the declarations of the published SDK have them. */
function argumentsOf(declarations: string, resource: string): string[] {
  const body = new RegExp(`export interface ${resource}Args \\{\\n(.*?)^\\}`, "ms").exec(declarations)?.[1] ?? "";
  return [...body.matchAll(/^ {4}(\w+\??): /gm)].map(([, name]) => name ?? "").sort();
}

function argumentsIn({ inputProperties = {}, requiredInputs = [] }: Properties): string[] {
  const isRequired = (name: string) => requiredInputs.includes(name);
  return Object.keys(inputProperties)
    .map((name) => (isRequired(name) ? name : `${name}?`))
    .sort();
}

describe.each(["hcloud", "random"] as const)("the built %s plugin", (name) => {
  const folder = join(repository, "node_modules/@pulumi", name);
  const modules = readdirSync(folder).filter((file) => file.endsWith(".js") && !/^(index|utilities)/.test(file));
  const codes = modules.map((file) => ({ file, code: readFileSync(join(folder, file), "utf8") }));
  const schema = pulumi("package", "get-schema", `${name}@${pins[name]}`).then((text) => JSON.parse(text) as Schema);

  test("is the version that the SDK asks for", async () => {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    expect((await schema).version).toBe(manifest.pulumi.version);
    expect(manifest.pulumi.version).toBe(pins[name]);
  });

  test("has the SDK's resources, each with the SDK's arguments, and the required ones required", async () => {
    const published = codes.flatMap(({ file, code }) => {
      const resource = /^class (\w+) extends pulumi\.CustomResource/m.exec(code)?.[1];
      const token = /static __pulumiType = '([^']+)'/.exec(code)?.[1];
      if (resource === undefined || token === undefined || !token.includes(":")) return [];
      const declarations = readFileSync(join(folder, file.replace(/\.js$/, ".d.ts")), "utf8");
      return [[token, argumentsOf(declarations, resource)] as const];
    });
    expect(published.length).toBeGreaterThan(5);
    const built = Object.entries((await schema).resources).map(([token, it]) => [token, argumentsIn(it)] as const);
    expect(Object.fromEntries(built)).toEqual(Object.fromEntries(published));
  });

  test("has the SDK's functions", async () => {
    const published = codes.flatMap(({ code }) =>
      [...code.matchAll(/runtime\.(?:invoke\w*|call)\("([^"]+)"/g)].map(([, it]) => it),
    );
    expect(Object.keys((await schema).functions).sort()).toEqual([...new Set(published)].sort());
  });

  test("has the SDK's provider arguments", async () => {
    const declarations = readFileSync(join(folder, "provider.d.ts"), "utf8");
    expect(argumentsIn((await schema).provider)).toEqual(argumentsOf(declarations, "Provider"));
  });
});

test("pulumi plugin ls names the pinned versions", async () => {
  const listed = JSON.parse(await pulumi("plugin", "ls", "--json")) as { name: string; version: string }[];
  const versions = Object.fromEntries(listed.map(({ name, version }) => [name, version]));
  expect(versions).toMatchObject({ hcloud: pins.hcloud, random: pins.random, command: pins.command });
});

test("the built engine and sops say the pinned versions", async () => {
  expect(await pulumi("version")).toBe(`v${pins.pulumi}`);
  const { stdout } = await execa(engine.sops, ["--version", "--disable-version-check"]);
  expect(stdout).toContain(engine.sops.startsWith(engine.binDir) ? `sops ${pins.sops}` : "sops 3.");
});

test.each(["age", "age-keygen"])("the built %s says the pinned version", async (name) => {
  expect((await execa(join(engine.binDir, name), ["--version"])).stdout).toBe(`v${pins.age}`);
});
