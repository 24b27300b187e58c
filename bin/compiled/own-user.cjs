// @ts-check
// Local gRPC: every user of the machine can connect to loopback, and the Node gRPC servers around the engine (callbacks of the
// program, the policy pack, events for our commands) do not authenticate. So HTTP/2 servers in these processes serve only the user
// that they run as, like toolchain/ownuser does for the servers in Go.
const Module = require("node:module");
const { existsSync, readFileSync } = require("node:fs");

/** The kernel's lists of TCP sockets. The second one has clients that reach 127.0.0.1 through an IPv6 socket. */
const tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
const established = "01";
const bigEndian = Buffer.from(new Uint16Array([1]).buffer).readUInt8(1) === 1;

/** In /proc/net/tcp format: each 32-bit number in this machine's byte order, then the port. @param {string} ip @param {number} port */
function listed(ip, port) {
  const bytes = Buffer.from(
    ip
      .replace(/^::ffff:/, "")
      .split(".")
      .map(Number),
  );
  const digits = (bigEndian ? bytes : bytes.reverse()).toString("hex").toUpperCase();
  return `${digits}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}

const mapped = `${"0".repeat(16)}${bigEndian ? "0000FFFF" : "FFFF0000"}`;

/**
 * Whether the peer of a connection is a socket of our own user. A closed socket is listed with uid 0, no matter who opened it, so it
 * does not count.
 * @param {import("node:net").Socket} socket
 */
function isOwnUser(socket) {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (!remoteAddress || !localAddress || remotePort === undefined || localPort === undefined) return false;
  const [from, to] = [listed(remoteAddress, remotePort), listed(localAddress, localPort)];
  // The kernel lists the client's socket before we can accept it, but reading a long list while it changes may skip a line.
  for (let round = 0; round < 20; round++) {
    for (const table of tables.filter((file) => existsSync(file))) {
      for (const line of readFileSync(table, "latin1").split("\n")) {
        // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
        const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/);
        if ((local !== from || remote !== to) && (local !== mapped + from || remote !== mapped + to)) continue;
        return state === established && inode !== "0" && Number(uid) === process.geteuid?.();
      }
    }
  }
  return false;
}

let isGuarded = false;

function guard() {
  // Other systems have no /proc; `clawdlets doctor` warns about them.
  if (isGuarded || process.platform !== "linux") return;
  isGuarded = true;
  const http2 = require("node:http2");
  const createServer = http2.createServer;
  /** @type {(...args: any[]) => import("node:http2").Http2Server} */
  const guarded = (...args) => {
    const server = createServer(...args);
    const emit = server.emit;
    server.emit = (/** @type {string | symbol} */ event, /** @type {any[]} */ ...rest) => {
      if (event !== "connection" || isOwnUser(rest[0])) return emit.call(server, event, ...rest);
      rest[0].destroy();
      return true;
    };
    return server;
  };
  http2.createServer = guarded;
}

/** Immediately, if Pulumi's library is already loaded. */
exports.guard = guard;

// Otherwise lazily: loading HTTP/2 takes 20 ms, and most commands never need it.
const hooked = /** @type {any} */ (Module);
const load = hooked._load;
hooked._load = function (/** @type {string} */ request, /** @type {any[]} */ ...rest) {
  if (request === "http2") guard();
  return load.call(this, request, ...rest);
};
