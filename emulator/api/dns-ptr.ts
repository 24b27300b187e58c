import { ApiError } from "./http/errors.ts";
import type { Call } from "./http/router.ts";

/** Sets the reverse name of an address that belongs to one of the primary IPs. @throws ApiError 404 */
export function setDnsPtr(call: Call, primaryIps: (number | null)[], address: string, name: string | null): void {
  const records = primaryIps.map((ip) => (ip === null ? undefined : call.cloud.primaryIps.get(ip)));
  const owner = records.find((ip) => ip !== undefined && (ip.ip === address || ip.type === address6(address)));
  if (owner === undefined) throw new ApiError(404, "not_found", `the IP '${address}' does not belong to the resource`);
  owner.dnsPtr = owner.dnsPtr.filter((entry) => entry.ip !== address);
  if (name !== null) owner.dnsPtr.push({ ip: address, dns_ptr: name });
  call.cloud.onChange();
}

function address6(address: string): string {
  return address.includes(":") ? "ipv6" : "";
}
