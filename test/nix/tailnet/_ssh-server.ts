/** `node _ssh-server.ts HOST_KEY_FILE PORT`: an ssh server that lets everyone in. Says "ready" when it listens. */
import { openSshServer } from "../../_ssh-server.ts";

const [hostKey = "", port = ""] = process.argv.slice(2);
openSshServer(hostKey).listen(Number(port), "::", () => process.stdout.write("ready\n"));
