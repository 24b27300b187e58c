import { afterAll, beforeAll, expect, it, type TestContext } from "vitest";
import { describeWith, leaveOut } from "../../_needs.ts";
import { type Bot, BotMachine, internet, provider, proxyAddress, proxyPort } from "./_bot-machine.ts";
import { folderOfFile } from "./_folder.ts";
import { treeWithBpf } from "./_tree.ts";

const bots = {
  maren: { uid: 45584, port: 20001, secrets: ["discord_token_maren"] },
  rex: { uid: 45585, port: 20002, secrets: ["discord_token_rex"] },
} satisfies Record<string, Bot>;

/** The options that these attempts are about, as they would be without them. */
const withoutOptions = `
SystemCallFilter=
SystemCallFilter=@system-service
RestrictSUIDSGID=yes
TemporaryFileSystem=
TemporaryFileSystem=/run:ro
RestrictNetworkInterfaces=
IPAddressDeny=any
IPAddressAllow=localhost
`;

const syscall = "import ctypes, os, errno\nlibc = ctypes.CDLL(None, use_errno=True)\n";
const failed = "print(errno.errorcode[ctypes.get_errno()] if result < 0 else 'done')";
const ioUring = `${syscall}parameters = ctypes.create_string_buffer(120)\nresult = libc.syscall(425, 8, parameters)\n${failed}`;
const openat2 = `${syscall}how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_RDWR, 0o600, 8)
os.chdir("/srv/clawdbot/maren")\nresult = libc.syscall(437, -100, b"lock", how, 24)\n${failed}`;
const connect = (host: string, port: number) => `
import socket
try: socket.create_connection((${JSON.stringify(host)}, ${port}), timeout=5); print("connected")
except OSError as error: print(type(error).__name__)`;
const uids = { maren: bots.maren.uid, rex: bots.rex.uid };
const through = (bot: keyof typeof uids, domain = provider) => `
import socket
s = socket.create_connection(("${proxyAddress(uids[bot])}", ${proxyPort}), timeout=5)
s.sendall(b"CONNECT ${domain}:443 HTTP/1.1\\r\\nHost: ${domain}:443\\r\\n\\r\\n")
try: print(s.recv(4096).split(b"\\r\\n")[0].decode())
except OSError as error: print(type(error).__name__)`;
/** Holds as many idle connections to its proxy as it gets, while a second process goes on. */
const hold = `
import os, socket, time
held = []
try:
    while len(held) < 300: held.append(socket.create_connection(("${proxyAddress(uids.maren)}", ${proxyPort}), timeout=5))
except ConnectionRefusedError: pass
if os.fork() == 0:
    os.close(1); os.close(2)
    while not os.path.exists("/srv/clawdbot/maren/release"): time.sleep(0.05)
    os._exit(0)
print(len(held))`;

const needs = {
  programs: ["unshare", "nsenter", "setpriv", "nix-instantiate", "debootstrap"],
  root: true,
  cgroup: true,
};

/** @returns a machine with both bots, or the reason why there is none here */
async function start(dropIn: string): Promise<BotMachine | string> {
  try {
    const host = new BotMachine(folderOfFile(), bots, { tree: await treeWithBpf(), dropIn });
    await host.boot();
    for (const at of [internet.provider, internet.other]) {
      await host.serve(`web-${at}`, `/usr/bin/python3 -m http.server 443 --bind ${at}`);
    }
    await Promise.all(Object.keys(bots).map(async (bot) => await host.start(bot)));
    return host;
  } catch (error) {
    if (error instanceof Error && /debootstrap/.test(error.message)) return "Debian 13 cannot be fetched";
    throw error;
  }
}

for (const [name, dropIn] of [
  ["a bot in its unit, under a systemd with BPF", ""],
  ["without these options of the unit", withoutOptions],
] as const) {
  const isWhole = dropIn === "";
  describeWith(needs, name, () => {
    let started: BotMachine | string;
    beforeAll(async () => {
      started = await start(dropIn);
    }, 600_000);
    afterAll(async () => {
      if (typeof started === "object") await started.machine.losePower();
    });
    /** The machine; leaves the test out where there is none. */
    const host = (context: TestContext): BotMachine => {
      if (typeof started === "string") {
        leaveOut(context, name, started);
        throw new Error(started);
      }
      return started;
    };

    it("io_uring, which opens sockets past the address families", async (context) => {
      expect(await host(context).as("maren", ioUring)).toBe(isWhole ? "EPERM" : "done");
    });

    it("openat2, which programs need to open files safely", async (context) => {
      expect(await host(context).as("maren", openat2)).toBe(isWhole ? "done" : "ENOSYS");
    });

    it("a file in /dev/shm, seen by another bot", async (context) => {
      await host(context).as("maren", 'import os\nos.umask(0)\nopen("/dev/shm/meet", "w")');
      const seen = await host(context).as("rex", 'import os\nprint(os.listdir("/dev/shm"))');
      expect(seen).toBe(isWhole ? "[]" : "['meet']");
    });

    it("a refused connection, which is reset at once", async (context) => {
      for (const at of [internet.other, internet.host, "127.0.0.1"]) {
        const isReset = isWhole || at === "127.0.0.1";
        const ends = await host(context).as("maren", connect(at, 22));
        expect(ends, at).toBe(isReset ? "ConnectionRefusedError" : "TimeoutError");
      }
    });

    if (!isWhole) return;

    it("reaches its own port, and not another bot's", async (context) => {
      const listen = (port: number) => `import socket\ns = socket.create_server(("127.0.0.1", ${port}))\n`;
      const both = await host(context).as("maren", `${listen(20001)}${connect("127.0.0.1", 20001)}`);
      expect(both).toBe("connected");
      await host(context).machine.run("systemd-run", "--unit=port", "python3", "-m", "http.server", "20001");
      await host(context).must("until ss -ltn | grep -q :20001; do :; done");
      expect(await host(context).as("rex", connect("127.0.0.1", 20001))).toBe("ConnectionRefusedError");
    });

    it("sees its own secret and no other", async (context) => {
      const list = `import os\nprint(os.listdir(os.environ["CREDENTIALS_DIRECTORY"]), os.path.exists("/run/secrets"))`;
      expect(await host(context).as("maren", list)).toBe("['discord_token_maren'] False");
    });

    it("shares abstract sockets with other bots, as docs/bots.md says", async (context) => {
      const serve = `import os, socket\ns = socket.socket(socket.AF_UNIX)\ns.bind("\\0meet")\ns.listen()
if os.fork() == 0:\n    os.close(1); os.close(2)\n    s.accept()\n    os._exit(0)`;
      await host(context).as("maren", serve);
      const meet = `import socket\nsocket.socket(socket.AF_UNIX).connect("\\0meet")\nprint("connected")`;
      expect(await host(context).as("rex", meet)).toBe("connected");
    });

    it("cannot keep another bot from the internet", async (context) => {
      const machine = host(context);
      const tries = async () => {
        await machine.must("rm -f /srv/clawdbot/maren/release");
        const held = Number(await machine.as("maren", hold));
        const other = await machine.as("rex", through("rex"));
        await machine.must("touch /srv/clawdbot/maren/release");
        return { held, other: other.trim() };
      };
      const other = "HTTP/1.1 200 Connection established";
      expect(await tries()).toEqual({ held: 64, other });
      // A restarted unit is active before its program listens.
      const listening = `until [ "$(ss -Hltn sport = :3128 | wc -l)" -ge ${machine.proxies.length} ]; do sleep 0.1; done`;
      const restart = `systemctl restart ${machine.proxies.join(" ")} && ${listening}`;
      await machine.must(`${restart} && nft flush chain inet clawdlets-egress proxy_clients`);
      expect(await tries()).toEqual({ held: 300, other });
      await machine.must(`${restart} && nft -f /etc/egress.nft`);
    });

    it("uses no proxy but its own, which logs what it refuses", async (context) => {
      const machine = host(context);
      expect(await machine.as("maren", connect(proxyAddress(uids.rex), proxyPort))).toBe("ConnectionRefusedError");
      expect(await machine.as("maren", through("maren", "canary.example"))).toBe("HTTP/1.1 403 Filtered");
      const logs = await machine.must("grep -l canary.example:443 /run/proxy-*.log");
      expect(logs.trim()).toBe("/run/proxy-maren.log");
    });

    it("reaches nothing outside when the rules of nftables are gone", async (context) => {
      const machine = host(context);
      await machine.must("nft delete table inet clawdlets-egress");
      try {
        expect(await machine.as("maren", connect(internet.other, 443))).not.toBe("connected");
        expect(await machine.must(`cat /run/web-${internet.other}.log`)).not.toContain(internet.host);
        const open = "setpriv --reuid=45584 --regid=45584 --clear-groups python3 -c";
        const outside = await machine.must(`${open} '${connect(internet.other, 443)}'`);
        expect(outside).toContain("connected"); // Without the unit's fence it would have got through.
      } finally {
        await machine.must("nft -f /etc/egress.nft");
      }
    });
  });
}
