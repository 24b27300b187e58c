/**
 * Set-up of the project `unit`: these tests share one process and run in parallel, so they start no process and open no socket.
 * What tries to is refused with the place to move it to.
 */
import childProcess from "node:child_process";
import dgram from "node:dgram";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";

const refuse = (name: string) => () => {
  throw new Error(
    `A unit test called ${name}. Unit tests start no process and open no socket: move it out of test/unit.`,
  );
};

for (const name of ["spawn", "spawnSync", "exec", "execSync", "execFile", "execFileSync", "fork"] as const) {
  Object.assign(childProcess, { [name]: refuse(`child_process.${name}`) });
}
Object.assign(net.Socket.prototype, { connect: refuse("net.connect") });
Object.assign(net.Server.prototype, { listen: refuse("net.Server.listen") });
Object.assign(dgram, { createSocket: refuse("dgram.createSocket") });
syncBuiltinESMExports();
