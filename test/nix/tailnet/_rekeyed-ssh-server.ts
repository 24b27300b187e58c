/**
 * `node _rekeyed-ssh-server.ts HOST_KEY_FILE ENV_FILE`: an ssh server on port 22 that lets everyone in. It runs clawdlets-rekey with the
 * environment in that file, prints its state, and knows no other command.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import ssh2 from "ssh2";
import { rekeyCommand, rekeyQuestion } from "../../../core/host/tailnet/rekey-orders.ts";

const [hostKey = "", envFile = ""] = process.argv.slice(2);
const env = JSON.parse(readFileSync(envFile, "utf8"));
const words = (command: string) =>
  command.replace(rekeyCommand, `exec ${env.SELF}`).replace(rekeyQuestion, `cat ${env.STATE_DIR}/state.json`);

const server = new ssh2.Server({ hostKeys: [readFileSync(hostKey)] }, (client) => {
  client.on("error", () => client.end());
  client.on("authentication", (attempt) => attempt.accept());
  client.on("session", (accept) =>
    accept().on("exec", (acceptExec, _reject, { command }) => {
      const channel = acceptExec();
      const child = spawn("bash", ["--norc", "-c", words(command)], { env });
      channel.on("error", () => undefined);
      child.stdin.on("error", () => undefined);
      channel.pipe(child.stdin);
      child.stdout.pipe(channel, { end: false });
      child.stderr.pipe(channel.stderr, { end: false });
      child.on("close", (code) => {
        channel.exit(code ?? 1);
        channel.end();
      });
    }),
  );
});
server.listen(22, "::", () => process.stdout.write("ready\n"));
