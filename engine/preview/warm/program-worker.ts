/**
 * `node program-worker.mjs PROGRAM`: runs one program for many stacks, one after the other, for `pulumi --client`. Loading Pulumi's
 * library takes longer than everything that a program does with it. Several engines may ask at once; their stacks take turns. What it
 * says on file descriptor 3 is described in worker.ts. Ends with its input.
 */
import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** What of Pulumi's library and of gRPC we call. The project's own copies, whose types may be of another version. */
interface LanguageServer {
  run(call: unknown, callback: Callback): unknown;
  getRequiredPlugins(call: unknown, callback: Callback): void;
  getPluginInfo(call: unknown, callback: Callback): void;
}
type Callback = (error: unknown, response: unknown) => void;

const [program = ""] = process.argv.slice(2);
const ofProgram = createRequire(program);
const ofPulumi = createRequire(ofProgram.resolve("@pulumi/pulumi"));
const { LanguageServer } = ofProgram("@pulumi/pulumi/automation/server.js") as {
  LanguageServer: new (program: () => Promise<unknown>) => LanguageServer;
};
const { LanguageRuntimeService } = ofProgram("@pulumi/pulumi/proto/language_grpc_pb.js");
const { getStore } = ofProgram("@pulumi/pulumi/runtime/state.js") as { getStore(): object };
const grpc = ofPulumi("@grpc/grpc-js");

let runs = 0;

/** What Pulumi's library knows of the stack whose program runs. */
let store: object = {};

/** Evaluated again for each stack, as Pulumi's runner does in a process for each. */
async function evaluate(): Promise<unknown> {
  store = getStore();
  const exported: Record<string, unknown> = await import(`${pathToFileURL(program).href}?run=${++runs}`);
  const { default: only, ...named } = exported;
  if (only === undefined) return named;
  if (Object.keys(named).length > 0) {
    throw new Error("expected entrypoint module to have either a default export or named exports but not both");
  }
  return typeof only === "function" ? only() : only;
}

/** Globals that Pulumi's library and zod make when they are first used. */
const ofLibraries = /^(stackResource|globalStore|__zod_\w+)$/;

/**
 * Sockets and timers of a run keep its store for as long as the process lives, and with it every resource, 2 MiB for our program.
 * @param store of a run that has ended well
 */
function release(store: object): void {
  Object.assign(store, {
    stackResource: undefined,
    pendingResourceRegistrations: new Map(),
    packageRefs: new Map(),
    leakCandidates: new Set(),
  });
}

/** What one stack's run could leave behind for the next one's. */
function surroundings(): string {
  const globals = Object.getOwnPropertyNames(globalThis).filter((name) => !ofLibraries.test(name));
  return JSON.stringify([process.cwd(), process.env, process.argv, globals]);
}

const language = new LanguageServer(evaluate);
/** Resolved once it is the next one's turn: Pulumi's library keeps what it knows of a stack in globals. */
let turn: Promise<void> = Promise.resolve();
let isSpent = false;

function say(line: string): void {
  writeSync(3, `${line}\n`);
}

function spend(): void {
  if (!isSpent) say("spent");
  isSpent = true;
}

/** Never rejects; the library answers a second time after a failure. */
function runOnce(call: { request: { getStack(): string } }): Promise<[error: unknown, response: unknown]> {
  if (isSpent) return Promise.resolve([new Error("an earlier run has changed this process"), undefined]);
  say(`runs ${call.request.getStack()}`);
  const before = surroundings();
  return new Promise((resolve) => {
    language.run(call, (error, response) => {
      // After a failure, its program may still be at work.
      if (error || surroundings() !== before) spend();
      else release(store);
      resolve([error, response]);
    });
  });
}

const server = new grpc.Server({ "grpc.max_receive_message_length": 400 << 20 });
server.addService(LanguageRuntimeService, {
  run(call: { request: { getStack(): string } }, answer: Callback) {
    turn = turn.then(async () => answer(...(await runOnce(call))));
  },
  getRequiredPlugins: (call: unknown, answer: Callback) => language.getRequiredPlugins(call, answer),
  getPluginInfo: (call: unknown, answer: Callback) => language.getPluginInfo(call, answer),
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error: unknown, port: number) => {
  if (error) throw error;
  say(String(port));
});
process.stdin.resume().on("end", () => process.exit());
