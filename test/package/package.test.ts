import { appendFileSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../_project.ts";
import { installPacked, packed, type Tarball } from "./_tarball.ts";

let tarball: Tarball;
beforeAll(async () => {
  tarball = await packed();
}, 120_000);

/**
 * Errors in `files` and in our own declarations. Those of others are read but not checked: Pulumi's have errors, and checking
 * them takes ten times as long.
 */
function typeErrors(folder: string, files: string[], compilerOptions: object): string[] {
  const { options, errors } = ts.convertCompilerOptionsFromJson(compilerOptions, folder);
  const program = ts.createProgram({ rootNames: files.map((file) => join(folder, file)), options });
  const place = (file: string) => relative(realpathSync(folder), realpathSync(file));
  const isOurs = (file: string) => files.includes(place(file)) || place(file).startsWith("node_modules/@clawdlets/");
  const ours = program.getSourceFiles().filter(({ fileName }) => isOurs(fileName));
  const inOurs = ours.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ]);
  return [...errors, ...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics(), ...inOurs].map(
    ({ file, code, messageText }) =>
      `${file ? place(file.fileName) : ""}: TS${code} ${ts.flattenDiagnosticMessageText(messageText, " ")}`,
  );
}

const node = (folder: string, ...args: string[]) => execa(process.execPath, args, { cwd: folder, reject: false });

describe("the package", () => {
  it("is under 1 MB, and holds nothing local, no tests, and no source that it has compiled", () => {
    expect(tarball.size).toBeLessThan(1_000_000);
    const odd = tarball.files.filter((file) =>
      /^(test|examples|\.clawdlets|\.toolchain|core|cli|components)\//.test(file),
    );
    // What the flake reads as well.
    expect(odd).toEqual(["core/project/egress/domains.json", "core/project/secrets/plan.json"]);
    for (const file of [
      "bin/clawdlets.mjs",
      "nix/modules/default.nix",
      "flake.nix",
      "policy/PulumiPolicy.yaml",
      "LICENSE",
    ])
      expect(tarball.files).toContain(file);
  });

  it("is clean to publint", async () => {
    const { all, exitCode } = await execa("publint", ["--strict", tarball.path], {
      preferLocal: true,
      reject: false,
      all: true,
    });
    expect(exitCode, all).toBe(0);
  });

  it("has types for every kind of consumer, as attw resolves them", async () => {
    // Loaded by Node's --require alone, and exports nothing.
    const args = [tarball.path, "--exclude-entrypoints", "plain-errors"];
    const { all, exitCode } = await execa("attw", args, { preferLocal: true, reject: false, all: true });
    expect(exitCode, all).toBe(0);
  }, 60_000);

  it("installs by npm into an empty folder, with the command and both kinds of import", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "package.json"), '{ "private": true }');
    const args = ["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball.path];
    const { exitCode, stderr } = await execa("npm", args, { cwd: folder, reject: false });
    expect(exitCode, stderr).toBe(0);
    const help = await execa("npx", ["--no-install", "clawdlets", "--help"], { cwd: folder, reject: false });
    expect([help.exitCode, help.stdout], help.stderr).toEqual([0, expect.stringMatching(/^Usage: clawdlets/)]);
    const names = "console.log(Object.keys(infra).sort().join())";
    const asModule = await node(
      folder,
      "--input-type=module",
      "-e",
      `import * as infra from "@clawdlets/infra"; ${names}`,
    );
    const asCommon = await node(folder, "-e", `const infra = require("@clawdlets/infra"); ${names}`);
    expect(asModule.stdout, asModule.stderr).toMatch(/^AgeKey,.*NixosInstall/);
    expect(asCommon.stdout, asCommon.stderr).toBe(asModule.stdout);
    const policy = await node(folder, "-e", 'console.log(require("@clawdlets/infra/policy").rules.length)');
    expect(Number(policy.stdout), policy.stderr).toBeGreaterThan(5);
  }, 180_000);

  it.each([
    ["an ES module", "module", "NodeNext", "NodeNext"],
    ["CommonJS", "commonjs", "NodeNext", "NodeNext"],
    ["CommonJS as Pulumi's own template sets it", "commonjs", "CommonJS", "node10"],
  ])(
    "type-checks in a strict program that is %s, its own declarations too",
    async (_, type, module, moduleResolution) => {
      const folder = temporaryFolder();
      await installPacked(folder, ["@types/node"]);
      writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type }));
      const typed = (expected: string) => `import { HostFirewall } from "@clawdlets/infra";
      import { rules } from "@clawdlets/infra/policy";
      import type { Output } from "@pulumi/pulumi";
      const firewall = new HostFirewall("web", { host: "web-1", rules: [{ protocol: "tcp", port: 443, sourceIps: ["::/0"] }] });
      export const id: Output<${expected}> = firewall.firewallId;
      export const names: string[] = rules.map((rule) => rule.name);\n`;
      writeFileSync(join(folder, "right.ts"), typed("number"));
      // Had the types not been found, any type would do.
      writeFileSync(join(folder, "wrong.ts"), typed("string"));
      const options = { target: "ES2022", module, moduleResolution, strict: true, noEmit: true, skipLibCheck: false };
      expect(typeErrors(folder, ["right.ts", "wrong.ts"], options)).toEqual([
        expect.stringMatching(
          /^wrong\.ts: TS2322 .*'OutputInstance<number>' is not assignable to type 'Output<string>'/,
        ),
      ]);
    },
    60_000,
  );

  it.each([
    ["as ES modules", "module", 'await import("@clawdlets/infra"); await import("@clawdlets/infra/policy");'],
    ["as CommonJS", "commonjs", 'require("@clawdlets/infra"); require("@clawdlets/infra/policy");'],
  ])(
    "reads no environment, clock or working directory when it is imported %s",
    async (_, type, load) => {
      const folder = temporaryFolder();
      await installPacked(folder);
      mkdirSync(join(folder, "x"));
      // Only what our own code asks, which the first frame outside of the trap tells: other packages have their own ways.
      const trap = `
      const asked = (what) => {
        const caller = new Error().stack.split("\\n").find((line, index) => index > 1 && !line.includes("/x/index."));
        if (caller?.includes("@clawdlets/infra/dist")) process.stdout.write("asked for " + what + caller + "\\n");
      };
      const environment = process.env;
      Object.defineProperty(process, "env", { get() { asked("env"); return environment; } });
      const { cwd } = process;
      // graceful-fs puts one of its own there, which remembers.
      Object.defineProperty(process, "cwd", { get() { asked("cwd"); return cwd; }, set() {} });
      const { now } = Date;
      Date.now = () => { asked("clock"); return now(); };
      globalThis.Date = new Proxy(Date, { construct(target, args) { if (args.length === 0) asked("clock"); return new target(...args); } });
    `;
      const file = join(folder, "x", `index.${type === "module" ? "mjs" : "cjs"}`);
      writeFileSync(file, `${trap}${load}process.stdout.write("loaded\\n");`);
      const { stdout, stderr } = await node(folder, file);
      expect(stdout, stderr).toBe("loaded");
      // The trap does catch: the same code with each of the three in it.
      const entry = join(folder, "node_modules/@clawdlets/infra/dist/components/index.js");
      appendFileSync(entry, "process.env.HOME; process.cwd(); new Date();");
      const caught = (await node(folder, file)).stdout.match(/asked for \w+/g);
      expect(caught).toEqual(["asked for env", "asked for cwd", "asked for clock"]);
    },
    60_000,
  );
});
