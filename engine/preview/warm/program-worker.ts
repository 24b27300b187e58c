/**
 * `node program-worker.mjs PROGRAM`: runs one program for many stacks, one after the other, for `pulumi --client`. Loading Pulumi's
 * library takes longer than everything that a program does with it. Writes its port to file descriptor 3, and `spent` once a run has
 * left something behind that the next one would see. Ends with its input.
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
const grpc = ofPulumi("@grpc/grpc-js");

let runs = 0;

/** Evaluated again for each stack, as Pulumi's runner does in a process for each. */
async function evaluate(): Promise<unknown> {
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

/** What one stack's run could leave behind for the next one's. */
function surroundings(): string {
  const globals = Object.getOwnPropertyNames(globalThis).filter((name) => !ofLibraries.test(name));
  return JSON.stringify([process.cwd(), process.env, process.argv, globals]);
}

const language = new LanguageServer(evaluate);
const server = new grpc.Server({ "grpc.max_receive_message_length": 400 << 20 });
server.addService(LanguageRuntimeService, {
  run(call: unknown, answer: Callback) {
    const before = surroundings();
    let isAnswered = false;
    language.run(call, (error, response) => {
      // The library answers a second time after a failure.
      if (isAnswered) return;
      isAnswered = true;
      if (surroundings() !== before) writeSync(3, "spent\n");
      answer(error, response);
    });
  },
  getRequiredPlugins: (call: unknown, answer: Callback) => language.getRequiredPlugins(call, answer),
  getPluginInfo: (call: unknown, answer: Callback) => language.getPluginInfo(call, answer),
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error: unknown, port: number) => {
  if (error) throw error;
  writeSync(3, `${port}\n`);
});
process.stdin.resume().on("end", () => process.exit());
