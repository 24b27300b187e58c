/** Runs a rekey in this process's network namespace: `node _rekey.ts`, with the request on standard input. Prints what came of it. */
import { text } from "node:stream/consumers";
import { UserError } from "../../../core/base/errors.ts";
import { rekey } from "../../../core/host/tailnet/rekey.ts";

const request = JSON.parse(await text(process.stdin));
const said: string[] = [];
try {
  const signal = AbortSignal.timeout(110_000);
  const result = await rekey({ ...request, signal, report: (line: string) => void said.push(line) });
  process.stdout.write(JSON.stringify({ ...result, said }));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stdout.write(JSON.stringify({ exitCode: error.exitCode, message: error.message, said }));
}
