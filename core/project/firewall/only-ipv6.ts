import { isIPv6 } from "node:net";

/** Whether networks have no IPv4 address at all, so that nobody in them reaches an IPv4 address. */
export const isOnlyIpv6 = (cidrs: readonly string[]): boolean =>
  cidrs.length > 0 && cidrs.every((cidr) => isIPv6(cidr.replace(/\/\d+$/, "")));
