/**
 * `node worker.cjs ASKS ANSWERS FOLDER`: serves the policy pack for many stacks, one after the other. What the engine starts as
 * the pack (engine/preview/warm/shim.ts) writes a line into the pipe ASKS and reads the port from ANSWERS. Ends with its input.
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

/** What we need of the engine's description of the stack, which it sends before it asks for anything (pulumi/analyzer.proto). */
interface StackRequest {
  getStack(): string;
  getProject(): string;
  getConfigMap(): { toArray(): [key: string, value: string][] };
  getConfigSecretKeysList(): string[];
}
type Method = (call: { request: StackRequest }, answer: unknown) => void;

/** Fills in what the pack knows of the stack that is being previewed. */
let describe: (request: StackRequest) => void;

/** Of this description the library keeps only the tags, so we read it on its way there. */
function listenToDescriptions(): void {
  const { Server } = createRequire(library)("@grpc/grpc-js");
  const { addService } = Server.prototype;
  Server.prototype.addService = function (definition: unknown, methods: Record<string, Method>) {
    const configureStack: Method = (call, answer) => {
      describe(call.request);
      methods["configureStack"]?.(call, answer);
    };
    return addService.call(this, definition, { ...methods, configureStack });
  };
}

/** The library prints the port once the pack is served. */
function serve(): Promise<string> {
  const { PolicyPack } = freshLibrary();
  const stack = stackFacts({}, []);
  describe = (request) => Object.assign(stack, stackFacts(environmentOf(request), [folder]));
  return new Promise((resolve) => {
    console.log = resolve;
    new PolicyPack("clawdlets", { policies: policiesOf(stack) });
  });
}

/** As a language host hands it to a pack of its own process. */
const environmentOf = (request: StackRequest) => ({
  PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
  PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigSecretKeysList()),
  PULUMI_NODEJS_STACK: request.getStack(),
  PULUMI_NODEJS_PROJECT: request.getProject(),
});

async function main(): Promise<never> {
  process.stdin.resume().on("end", () => process.exit());
  listenToDescriptions();
  for (;;) {
    await readFile(asks);
    await writeFile(answers, `${await serve()}\n`);
  }
}

void main();
