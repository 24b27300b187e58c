interface Server {
  public_net: { ipv4?: { ip?: string } | null; ipv6?: { ip?: string } | null };
}

/** A server's public addresses: its IPv4 address, and the first address of its IPv6 network. */
export function addressesOf({ public_net: { ipv4, ipv6 } }: Server): string[] {
  return [ipv4?.ip, ipv6?.ip?.replace(/(::)?\/\d+$/, "::1")].filter((each) => each !== undefined);
}
