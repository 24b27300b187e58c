import { copyFile, rm } from "node:fs/promises";
import { describe, expect, type TestContext, test } from "vitest";
import { pins } from "../../toolchain/pins.ts";
import { repository, skipUnlessOwn, stackFor } from "./_stack.ts";

const onlyOwn = (context: TestContext, difference: string) =>
  skipUnlessOwn(context, "CLAWDLETS_LANGUAGE_HOST", difference);
const pulumi = 'import * as pulumi from "@pulumi/pulumi";\n';

describe("pulumi-language-nodejs, on the real engine", () => {
  test("runs an ES module in TypeScript, with settings, secrets and await at the top", async () => {
    const stack = await stackFor(`${pulumi}
      import { readFile } from "node:fs/promises";
      enum Kind { Plain = "plain" }
      const config = new pulumi.Config();
      const manifest: { type: string } = JSON.parse(await readFile("package.json", "utf8"));
      export const type = manifest.type;
      export const kind: Kind = Kind.Plain;
      export const name = config.require("name");
      export const list = config.requireObject<number[]>("list");
      export const secret = config.requireSecret("password");
      export const secretNames = JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "");
      export const where = [pulumi.getProject(), pulumi.getStack(), pulumi.getOrganization()];
    `);
    await stack.run("config", "set", "name", "two words, 'quoted'", "--stack", "s");
    await stack.run("config", "set", "--path", "list[0]", "7", "--stack", "s");
    await stack.run("config", "set", "--secret", "password", "canary-5d1", "--stack", "s");
    const { exitCode, all } = await stack.up();
    expect(exitCode, all).toBe(0);
    const { stdout } = await stack.start("stack", "output", "--json", "--show-secrets", "--stack", "s");
    expect(JSON.parse(stdout)).toEqual({
      type: "module",
      kind: "plain",
      name: "two words, 'quoted'",
      list: [7],
      secret: "canary-5d1",
      secretNames: ["lab:password"],
      where: ["lab", "s", "organization"],
    });
    expect(stack.stateText + all, "a secret setting stays one").not.toContain("canary-5d1");
  });

  test.for([
    ["an error that is thrown, with its place", 'throw new Error("it broke here");', ["it broke here", "index.ts:1:7"]],
    ["a RunError, without a stack", 'throw new pulumi.RunError("just this line");', ["error: just this line"]],
    ["a rejected promise", 'await Promise.reject(new Error("rejected"));', ["rejected"]],
    ["an exit code of the program's own", "process.exit(9);", ["the program ended with exit status 9"]],
    ["a package that is not there", 'await import("not-installed-at-all");', ["not-installed-at-all"]],
  ] as const)("tells %s", async ([_name, line, said], context) => {
    onlyOwn(context, "its words differ, and without bin/program.mjs Node 20 takes a minute to print an error");
    const { exitCode, all } = await (await stackFor(`${pulumi}${line}`)).up();
    expect(exitCode).not.toBe(0);
    for (const text of said) expect(all).toContain(text);
    if (_name.startsWith("a RunError"))
      expect(all, "told once, by the program").not.toMatch(/ended with|at .*index\.ts/);
  });

  test("says what to run where @pulumi/pulumi is not installed", async (context) => {
    onlyOwn(context, "its words differ");
    const stack = await stackFor(pulumi);
    await rm(`${stack.folder}/node_modules`);
    const { exitCode, all } = await stack.up();
    expect(exitCode).not.toBe(0);
    expect(all).toContain(`@pulumi/pulumi is not installed as seen from ${stack.folder}: run npm ci there`);
  });

  test("refuses a runtime option of the wrong type", async (context) => {
    onlyOwn(context, "its words differ");
    const { exitCode, all } = await (
      await stackFor(pulumi, "runtime: { name: nodejs, options: { nodeargs: 5 } }")
    ).up();
    expect(exitCode).not.toBe(0);
    expect(all).toContain("runtime option nodeargs: 5 is of the wrong type");
  });

  test("ends the program when the engine is told to stop", async () => {
    const stack = await stackFor(
      `${pulumi}console.log("at " + "work"); setInterval(() => {}, 1000); await new Promise(() => {});`,
    );
    const running = stack.start("up", "--yes", "--skip-preview", "--stack", "s");
    let stopped = false;
    running.all.on("data", (data: Buffer) => {
      if (stopped || !data.toString().includes("at work")) return;
      stopped = true;
      running.kill("SIGINT");
    });
    expect((await running).exitCode).not.toBe(0);
    expect(stopped).toBe(true);
  });

  test("runs resource hooks, and a hook that throws fails the resource before it is made", async () => {
    const stack = await stackFor(`${pulumi}
      import * as command from "@pulumi/command";
      const tell = new pulumi.ResourceHook("tell", (args) => console.log("hook", args.name, args.newOutputs?.["stdout"]));
      const refuse = new pulumi.ResourceHook("refuse", () => { throw new Error("not this one"); });
      new command.local.Command("told", { create: "echo made" }, { hooks: { afterCreate: [tell] } });
      new command.local.Command("refused", { create: "touch refused-ran" }, { hooks: { beforeCreate: [refuse] } });
    `);
    const { exitCode, all } = await stack.up();
    expect(exitCode).not.toBe(0);
    expect(all).toContain("hook told made");
    expect(all).toContain("not this one");
    expect(() => stack.read("refused-ran")).toThrow("ENOENT");
  });

  test("runs a policy pack, which sees the resources, the stack's name and its settings", async () => {
    const stack = await stackFor(`
      import * as command from "@pulumi/command";
      new command.local.Command("good", { create: "true" });
      new command.local.Command("bad", { create: "rm -rf everything" });
    `);
    stack.write("pack/PulumiPolicy.yaml", "runtime: nodejs\n");
    stack.write("pack/package.json", '{ "name": "pack", "version": "1.0.0", "main": "index.ts" }');
    stack.write(
      "pack/index.ts",
      `import { PolicyPack } from "@pulumi/policy";
      import * as pulumi from "@pulumi/pulumi";
      const limit: string = new pulumi.Config("lab").require("forbidden");
      new PolicyPack("pack", { policies: [{
        name: "forbidden", description: "Nothing forbidden.", enforcementLevel: "mandatory",
        validateResource: ({ props, name }, report) => {
          if (props["create"]?.includes(limit)) report(name + " in " + pulumi.getStack() + " has " + limit);
        },
      }] });`,
    );
    await stack.run("config", "set", "forbidden", "rm -rf", "--stack", "s");
    const { exitCode, all } = await stack.run("preview", "--stack", "s", "--policy-pack", "pack");
    expect(exitCode).not.toBe(0);
    expect(all).toMatch(/\[mandatory\]\s+forbidden\s+\(command:local:Command: bad\)/);
    expect(all).toContain("bad in s has rm -rf");
    expect(all).not.toContain("Command: good)");
  });

  test("installs dependencies by npm at pulumi install", async () => {
    const stack = await stackFor(pulumi);
    await rm(`${stack.folder}/node_modules`);
    // A folder as the dependency: nothing has to be fetched.
    stack.write("local/package.json", '{ "name": "local", "version": "1.0.0" }');
    stack.write("package.json", '{ "type": "module", "dependencies": { "local": "file:local" } }');
    const { exitCode, all } = await stack.run("install", "--no-plugins");
    expect(exitCode, all).toBe(0);
    expect(stack.read("node_modules/local/package.json")).toContain("1.0.0");
  });

  test("names itself, and lists plugins and packages for pulumi about", async (context) => {
    onlyOwn(context, "it has no name of its own");
    const stack = await stackFor(pulumi);
    for (const file of ["package.json", "package-lock.json"])
      await copyFile(`${repository}/${file}`, `${stack.folder}/${file}`);
    const { stdout } = await stack.start("about", "--json");
    const about = JSON.parse(stdout);
    expect(about.runtime).toMatchObject({ languageHost: "clawdlets stand-in", version: process.version });
    expect(about.plugins).toContainEqual(expect.objectContaining({ name: "hcloud", version: "1.41.0" }));
    expect(about.dependencies).toContainEqual({ name: "@pulumi/pulumi", version: pins.pulumi });
  });
});
