/** `node _pipe.ts SOCKET ADDRESS PORT`: leads a Unix socket, which every namespace reaches, to an address in this one. */
import { connect, createServer } from "node:net";

const [socket = "", address = "", port = ""] = process.argv.slice(2);
const server = createServer((near) => {
  const far = connect(Number(port), address);
  near.pipe(far).pipe(near);
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
});
server.listen(socket, () => process.stdout.write("ready\n"));
