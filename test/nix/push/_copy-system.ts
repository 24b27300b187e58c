/** Runs `copySystem` in a process that a test can kill. */
import { copySystem } from "../../../core/host/push/push.ts";

const [request, route, system] = JSON.parse(process.argv[2] ?? "[]");
await copySystem({ ...request, signal: new AbortController().signal }, route, system);
