/**
 * Calls the API of a tailnet, in this process's network namespace: `node _api.ts SOCKET`. Each HTTP request to the socket
 * brings {credentials, calls}, because a key has no place on a command line, and gets one result for each call.
 */
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { createTailnetApi } from "../../../core/base/tailnet/api.ts";
import { TailnetApiError } from "../../../core/base/tailnet/errors.ts";
import { removeRecorded } from "../../../core/host/tailnet/devices.ts";

async function results(request: string): Promise<unknown[]> {
  const { credentials, calls } = JSON.parse(request);
  const api = createTailnetApi(credentials, { limits: { attempts: 2, maxWaitSeconds: 0.1 } });
  const answers: unknown[] = [];
  for (const [name, ...args] of calls as [string, ...never[]][]) {
    try {
      const call = name === "removeRecorded" ? removeRecorded.bind(undefined, api) : Reflect.get(api, name);
      answers.push((await (call as (...given: never[]) => Promise<unknown>)(...args)) ?? null);
    } catch (error) {
      if (!(error instanceof TailnetApiError)) throw error;
      answers.push({ status: error.status, message: error.message });
    }
  }
  return answers;
}

const server = createServer(async (asked, answer) => answer.end(JSON.stringify(await results(await text(asked)))));
server.listen(process.argv[2], () => process.stdout.write("ready\n"));
