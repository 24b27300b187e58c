import { containsCidr, parseCidr } from "cidr-tools";

/** Networks from which nobody reaches a server over the internet. @see IANA's special-purpose address registries */
const unroutable = [
  { networks: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"], what: "a private network" },
  { networks: ["100.64.0.0/10"], what: "a provider's or tailnet's inner network" },
  { networks: ["169.254.0.0/16", "fe80::/10"], what: "a link-local network" },
  { networks: ["224.0.0.0/4", "ff00::/8"], what: "a multicast network" },
  { networks: ["0.0.0.0/8", "240.0.0.0/4", "::/128", "::ffff:0:0/96"], what: "no network of the internet" },
] as const;

/** This machine alone: where an emulated Hetzner is, that is where its operator comes from. */
const loopback = [{ networks: ["127.0.0.0/8", "::1/128"], what: "this machine's own network" }] as const;

/** For pages and examples (RFC 5737, RFC 3849): nobody has such an address. */
const documentation = [
  {
    networks: ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"],
    what: "for documentation alone",
  },
] as const;

/**
 * Why no connection from a network can ever reach a server, as the end of a sentence that begins with the network.
 * @param also kinds that only some places have to refuse
 */
export function uselessReason(cidr: string, also: readonly ("loopback" | "documentation")[] = []): string | undefined {
  const kinds = [
    ...unroutable,
    ...(also.includes("loopback") ? loopback : []),
    ...(also.includes("documentation") ? documentation : []),
  ];
  const { version } = parseCidr(cidr);
  const inside = (network: string) => parseCidr(network).version === version && containsCidr(network, cidr);
  const found = kinds.find(({ networks }) => networks.some(inside));
  if (!found) return undefined;
  return `is ${found.what}, from which nobody reaches a server; give the public address that you come from, e.g. what "curl -4 https://ifconfig.me" shows, with /32`;
}
