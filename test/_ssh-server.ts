import { readFileSync } from "node:fs";
import ssh2 from "ssh2";

/** An ssh server that lets everyone in, and under which every command succeeds. It does not listen yet. */
export function openSshServer(hostKeyFile: string): ssh2.Server {
  return new ssh2.Server({ hostKeys: [readFileSync(hostKeyFile)] }, (client) => {
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
}
