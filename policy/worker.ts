/**
 * `node worker.cjs PROJECT PIPES…`: serves the policy pack for many stacks. What an engine starts as the pack
 * (engine/preview/warm/shim.ts) writes a line into the pipe `asks` of one of the folders PIPES and reads the port from `answers` there.
 * Ends with its input. PROJECT is the project's folder.
 */
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type * as policy from "@pulumi/policy";
import { policiesOf, stackFacts } from "./policies.ts";

const [project = "", ...lanes] = process.argv.slice(2);
const library = createRequire(process.argv[1] ?? "").resolve("@pulumi/policy");

/** Pulumi's library serves one pack per process, so each stack gets its own copy of it: eleven small files. */
function freshLibrary(): typeof policy {
  // It remembers all that was loaded with it.
  const load = createRequire(process.argv[1] ?? "");
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

/** Fills in what the pack that is being made knows of its stack. */
let describe: (request: StackRequest) => void;
/** The server of the pack that is being made. */
let server: { forceShutdown(): void };

/** Of this description the library keeps only the tags, so we read it on its way there. */
function listenToDescriptions(): void {
  const { Server } = createRequire(library)("@grpc/grpc-js");
  const { addService } = Server.prototype;
  Server.prototype.addService = function (definition: unknown, methods: Record<string, Method>) {
    server = this;
    const describeOwn = describe;
    const configureStack: Method = (call, answer) => {
      describeOwn(call.request);
      methods["configureStack"]?.(call, answer);
    };
    return addService.call(this, definition, { ...methods, configureStack });
  };
}

interface Served {
  port: string;
  /** Closes its port, after which nothing keeps the pack in memory. */
  end(): void;
}

/** The library prints the port once the pack is served. */
async function serve(): Promise<Served> {
  const { PolicyPack } = freshLibrary();
  const stack = stackFacts({}, []);
  describe = (request) => Object.assign(stack, stackFacts(environmentOf(request), [project]));
  const port = await new Promise<string>((resolve) => {
    console.log = resolve;
    new PolicyPack("clawdlets", { policies: policiesOf(stack) });
  });
  const own = server;
  return { port, end: () => own.forceShutdown() };
}

/** As a language host hands it to a pack of its own process. */
const environmentOf = (request: StackRequest) => ({
  PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
  PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigSecretKeysList()),
  PULUMI_NODEJS_STACK: request.getStack(),
  PULUMI_NODEJS_PROJECT: request.getProject(),
});

/** Resolved once the pack before is served: each prints its port in the same way. */
let latest: Promise<unknown> = Promise.resolve();

/** Serves one engine after the other, each with a pack of its own. */
async function serveLane(folder: string): Promise<never> {
  let before: Served | undefined;
  for (;;) {
    await readFile(join(folder, "asks"));
    before?.end();
    const next = latest.then(serve);
    latest = next;
    before = await next;
    await writeFile(join(folder, "answers"), `${before.port}\n`);
  }
}

process.stdin.resume().on("end", () => process.exit());
listenToDescriptions();
for (const folder of lanes) void serveLane(folder);
