import type { Netns } from "./_netns.ts";

/**
 * Packets that arrived at a peer, before anything could refuse them there. Only the start of an accepted connection counts: its
 * last acknowledgement can arrive seconds later, during another attempt. Neighbour discovery and the barrier do not count.
 */
const atPeer = `table inet wire {
  set ports4 { type ipv4_addr . inet_proto . inet_service; flags dynamic; }
  set ports6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; }
  set other4 { type ipv4_addr . inet_proto; flags dynamic; }
  set other6 { type ipv6_addr . inet_proto; flags dynamic; }
  chain seen {
    type filter hook prerouting priority mangle; policy accept;
    iifname lo return
    ct state established,related return
    udp dport 9 return
    meta l4proto { tcp, udp, sctp, udplite } add @ports4 { ip daddr . meta l4proto . th dport }
    meta l4proto { tcp, udp, sctp, udplite } add @ports6 { ip6 daddr . meta l4proto . th dport }
    meta l4proto { tcp, udp, sctp, udplite } return
    icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 137, 143 } return
    add @other4 { ip daddr . meta l4proto }
    add @other6 { ip6 daddr . meta l4proto }
  }
}`;

/** What of these users' is left after every other table on the host, on its way over loopback. */
const onHost = (uids: number[]) => `table inet wire {
  set ports4 { type uid . ipv4_addr . inet_proto . inet_service; flags dynamic; }
  set ports6 { type uid . ipv6_addr . inet_proto . inet_service; flags dynamic; }
  set other4 { type uid . ipv4_addr . inet_proto; flags dynamic; }
  set other6 { type uid . ipv6_addr . inet_proto; flags dynamic; }
  chain seen {
    type filter hook output priority 300; policy accept;
    oifname != lo return
    ct state established,related return
    meta skuid != { ${uids.join(", ")} } return
    meta l4proto { tcp, udp, sctp, udplite } add @ports4 { meta skuid . ip daddr . meta l4proto . th dport }
    meta l4proto { tcp, udp, sctp, udplite } add @ports6 { meta skuid . ip6 daddr . meta l4proto . th dport }
    meta l4proto { tcp, udp, sctp, udplite } return
    add @other4 { meta skuid . ip daddr . meta l4proto }
    add @other6 { meta skuid . ip6 daddr . meta l4proto }
  }
}`;

const sets = ["ports4", "ports6", "other4", "other6"];
const take = `nft -j list table inet wire; ${sets.map((set) => `nft flush set inet wire ${set}`).join("; ")}`;

interface Listed {
  nftables: {
    set?: { elem?: ({ concat: (string | number)[] } | { elem: { val: { concat: (string | number)[] } } })[] };
  }[];
}

/** Records packets by nft itself, in a namespace: seen, not believed. */
export class Wire {
  readonly #net: Netns;
  readonly #name: string;

  private constructor(net: Netns, name: string) {
    this.#net = net;
    this.#name = name;
  }

  static async tap(net: Netns, name: string, uids?: number[]): Promise<Wire> {
    await net.run(name, "nft", ["-f", "-"], uids === undefined ? atPeer : onHost(uids));
    return new Wire(net, name);
  }

  /** What was seen since the last time: "tcp 93.184.216.34 443", "icmp 8.8.8.8"; on the host "31001 tcp 127.0.0.1 22". */
  async take(): Promise<string[]> {
    const { nftables } = JSON.parse(await this.#net.run(this.#name, "sh", ["-c", take])) as Listed;
    const elements = nftables.flatMap(({ set }) => set?.elem ?? []);
    return elements.map((element) => readable("concat" in element ? element.concat : element.elem.val.concat)).sort();
  }
}

/** nft lists user, address, protocol, port; the first and the last may be missing. */
function readable(parts: (string | number)[]): string {
  const address = parts.findIndex((part) => /[.:]/.test(String(part)));
  const [at, protocol, ...port] = parts.slice(address);
  return [...parts.slice(0, address), protocol, at, ...port].join(" ");
}
