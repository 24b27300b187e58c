interface Peer {
  id: number;
  hostname: string;
  ipv4: string;
  online: boolean;
}

const TAILNET = "tail0emu.ts.net";

/** `tailscale status --json` and `tailscale ip -4 HOST`; everything else is refused. @returns the exit status */
export async function main(argv: string[]): Promise<number> {
  const isStatus = argv.length === 2 && argv[0] === "status" && argv[1] === "--json";
  const isIp = argv.length === 3 && argv[0] === "ip" && argv[1] === "-4";
  if (!isStatus && !isIp) {
    process.stderr.write(
      `stand-in tailscale (emulator): '${argv.join(" ")}' is not emulated; there are only 'status --json' and 'ip -4 HOST'.\n`,
    );
    return 1;
  }
  const peers = await askEmulator();
  if (peers === null) return 1;
  if (isStatus) {
    process.stdout.write(`${JSON.stringify(statusOf(peers), null, 2)}\n`);
    return 0;
  }
  const wanted = (argv[2] ?? "").replace(/\.$/, "");
  const peer = peers.find((candidate) =>
    [candidate.hostname, `${candidate.hostname}.${TAILNET}`, candidate.ipv4].includes(wanted),
  );
  if (peer === undefined) {
    process.stderr.write(`no such host: ${wanted}\n`);
    return 1;
  }
  process.stdout.write(`${peer.ipv4}\n`);
  return 0;
}

async function askEmulator(): Promise<Peer[] | null> {
  const { HCLOUD_ENDPOINT: endpoint, HCLOUD_TOKEN: token } = process.env;
  if (endpoint === undefined || token === undefined) {
    process.stderr.write(
      "stand-in tailscale (emulator): HCLOUD_ENDPOINT and HCLOUD_TOKEN must name a running emulator.\n",
    );
    return null;
  }
  const response = await fetch(new URL("/_emulator/tailnet", endpoint), {
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok) {
    process.stderr.write(`stand-in tailscale (emulator): ${endpoint} answered ${response.status}.\n`);
    return null;
  }
  return ((await response.json()) as { peers: Peer[] }).peers;
}

/** The fields of the real tool's output that anybody reads. */
function statusOf(peers: Peer[]): unknown {
  return {
    Version: "1.98.0-emulator",
    BackendState: "Running",
    MagicDNSSuffix: TAILNET,
    Self: node({ id: 0, hostname: "operator", ipv4: "127.0.0.1", online: true }),
    Peer: Object.fromEntries(peers.map((peer) => [`nodekey:${peer.id.toString(16).padStart(64, "0")}`, node(peer)])),
  };
}

function node(peer: Peer): unknown {
  return {
    ID: `n${peer.id}`,
    HostName: peer.hostname,
    DNSName: `${peer.hostname}.${TAILNET}.`,
    OS: "linux",
    TailscaleIPs: [peer.ipv4],
    Online: peer.online,
  };
}
