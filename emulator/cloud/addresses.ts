// Every server has an address of its own in 127.0.0.0/8, all of which is this machine on Linux, so that "open" and
// "closed" can be seen by connecting. Addresses follow from ids alone: a restarted emulator gives the same ones.

export interface Addresses {
  /** The n-th server's own public IPv4, from 127.64.0.1. */
  publicIpv4(serverOrdinal: number): string;
  /** The IPv4 of the n-th primary IP that was created on its own, from 127.32.0.1. */
  primaryIpv4(ordinal: number): string;
  /** The address on the stand-in for the tailnet, which no Hetzner firewall sees. */
  tailnetIpv4(serverOrdinal: number): string;
  /** A /64 of the documentation prefix. */
  ipv6Network(ordinal: number): string;
  /** The /64 whose first address is IPv6's loopback: the only one that is this machine, so one server has it at a time. */
  ipv6Loopback: string;
}

const HOSTS_PER_OCTET = 254;

function spread(firstOctet: number, secondOctet: number, ordinal: number): string {
  const index = ordinal - 1;
  const host = (index % HOSTS_PER_OCTET) + 1;
  const third = Math.floor(index / HOSTS_PER_OCTET);
  return `${firstOctet}.${secondOctet + Math.floor(third / 256)}.${third % 256}.${host}`;
}

export const addresses: Addresses = {
  publicIpv4: (ordinal) => spread(127, 64, ordinal),
  primaryIpv4: (ordinal) => spread(127, 32, ordinal),
  tailnetIpv4: (ordinal) => spread(127, 100, ordinal),
  ipv6Network: (ordinal) => `2001:db8:${(ordinal >>> 16).toString(16)}:${(ordinal & 0xffff).toString(16)}::/64`,
  ipv6Loopback: "::/64",
};

/** The first address of a /64, which is the one that Hetzner's images have: `2001:db8::/64` gives `2001:db8::1`. */
export const firstAddress = (network: string): string => network.replace(/(::)?\/64$/, "::1");
