import { containsCidr, parseCidr } from "cidr-tools";

/** Networks that are not routed on the internet. @see IANA's special-purpose address registries */
const unroutable = [
  { networks: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"], what: "a private network" },
  { networks: ["100.64.0.0/10"], what: "the internal network of a provider or tailnet (CGNAT)" },
  { networks: ["169.254.0.0/16", "fe80::/10"], what: "a link-local network" },
  { networks: ["224.0.0.0/4", "ff00::/8"], what: "a multicast network" },
  { networks: ["0.0.0.0/8", "240.0.0.0/4", "::/128", "::ffff:0:0/96"], what: "not an internet network" },
] as const;

/** Only this machine. An emulated Hetzner sees its operator come from here. */
const loopback = [{ networks: ["127.0.0.0/8", "::1/128"], what: "this machine's own network" }] as const;

/** Reserved for documentation (RFC 5737, RFC 3849): nobody has such an address. */
const documentation = [
  {
    networks: ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"],
    what: "reserved for documentation",
  },
] as const;

/**
 * Says why no connection from this network can reach a server, as the end of a sentence that starts with the network.
 * @param also kinds that only some callers refuse
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
  return `is ${found.what}, so it cannot reach a server; use your own public address, as shown by "curl -4 https://ifconfig.me", with /32`;
}
