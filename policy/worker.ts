/**
 * `node worker.cjs ASKS ANSWERS FOLDER`: serves the policy pack for many stacks, one after the other. What the engine starts as
 * the pack (engine/preview/warm/shim.ts) writes its environment into the pipe ASKS and reads the port from ANSWERS. Ends with its input.
 * FOLDER is the project's.
 */
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type * as policy from "@pulumi/policy";
import { policiesOf, stackFacts } from "./policies.ts";

const [asks = "", answers = "", folder = ""] = process.argv.slice(2);
const load = createRequire(process.argv[1] ?? "");
const library = load.resolve("@pulumi/policy");

/** Pulumi's library serves one pack per process, so each stack gets its own copy of it: eleven small files. */
function freshLibrary(): typeof policy {
  for (const file of Object.keys(load.cache)) if (file.startsWith(dirname(library))) delete load.cache[file];
  return load(library);
}

/** The library prints the port once the pack is served. */
function serve(environment: Record<string, string>): Promise<string> {
  const { PolicyPack } = freshLibrary();
  return new Promise((resolve) => {
    console.log = resolve;
    new PolicyPack("clawdlets", { policies: policiesOf(stackFacts(environment, [folder])) });
  });
}

/** The engine names the stack for packs in other languages than Node without "NODEJS". */
function environmentOf(text: string): Record<string, string> {
  const lines = text.split("\0").filter((line) => line.includes("="));
  const given = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  const { PULUMI_STACK = "", PULUMI_PROJECT = "" } = given;
  return { ...given, PULUMI_NODEJS_STACK: PULUMI_STACK, PULUMI_NODEJS_PROJECT: PULUMI_PROJECT };
}

async function main(): Promise<never> {
  process.stdin.resume().on("end", () => process.exit());
  for (;;) {
    const environment = environmentOf(await readFile(asks, "utf8"));
    await writeFile(answers, `${await serve(environment)}\n`);
  }
}

void main();
