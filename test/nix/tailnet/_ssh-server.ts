/** An ssh server that lets everyone in: `node _ssh-server.ts HOST_KEY_FILE PORT`. Says "ready" when it listens. */
import { readFileSync } from "node:fs";
import ssh2 from "ssh2";

const [hostKey = "", port = ""] = process.argv.slice(2);
const server = new ssh2.Server({ hostKeys: [readFileSync(hostKey)] }, (client) => {
  client.on("error", () => client.end());
  client.on("authentication", (attempt) => attempt.accept());
  client.on("session", (accept) =>
    accept().on("exec", (acceptExec) => {
      const channel = acceptExec();
      channel.exit(0);
      channel.end();
    }),
  );
});
server.listen(Number(port), "::", () => process.stdout.write("ready\n"));
