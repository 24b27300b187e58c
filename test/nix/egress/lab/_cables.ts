import type { Netns } from "./_netns.ts";
import * as world from "./_world.ts";

const etc = {
  "resolv.conf": `nameserver ${world.resolver}\n`,
  "nsswitch.conf": "hosts: files dns\n",
  hosts: "127.0.0.1 localhost\n::1 localhost\n",
};
const isV6 = (at: string) => at.includes(":");
const single = (at: string) => `${at}/${isV6(at) ? 128 : 32}`;

/** The host in the middle, as a router: each other namespace is joined to it by a cable, and to no other. */
export async function cable(net: Netns): Promise<void> {
  const { internet, inside, metadata, container, host, gateway } = world;
  await net.add("host", etc);
  for (const name of ["internet", "inside", "metadata", "container"]) await net.add(name, { ...etc, hosts: "" });

  await net.link(["host", `${host.v4}/24`, `${host.v6}/64`], ["internet", `${gateway}/24`, "2a01:4f8:1:2::1/64"]);
  await net.link(["host", "10.0.0.1/24", "fd00::1/64"], ["inside", "10.0.0.2/24", "fd00::2/64"]);
  const metadataEnd = [`${metadata.v4}/24`, `${metadata.v6}/64`];
  await net.link(["host", "169.254.169.1/24", "fd00:ec2::1/64"], ["metadata", ...metadataEnd]);
  await net.link(["host", "172.17.0.1/24", "fd17::1/64"], ["container", `${container.v4}/24`, `${container.v6}/64`]);
  await net.addresses("internet", "lo", Object.values(internet).map(single));
  await net.addresses("inside", "lo", Object.values(inside).map(single));

  const within = Object.values(inside).map((at) => `${single(at)} via ${isV6(at) ? "fd00::2" : "10.0.0.2"}`);
  await net.routes("host", [`default via ${gateway}`, "default via 2a01:4f8:1:2::1", ...within]);
  const back: [string, string, string][] = [
    ["internet", host.v4, host.v6],
    ["inside", "10.0.0.1", "fd00::1"],
    ["metadata", "169.254.169.1", "fd00:ec2::1"],
    ["container", "172.17.0.1", "fd17::1"],
  ];
  for (const [name, v4, v6] of back) await net.routes(name, [`default via ${v4}`, `default via ${v6}`]);

  const settings = {
    "ipv4/ip_forward": "1",
    "ipv6/conf/all/forwarding": "1",
    // Anybody may ping, as on a systemd host.
    "ipv4/ping_group_range": "0 2147483647",
  };
  const lines = Object.entries(settings).map(([name, value]) => `echo ${value} >/proc/sys/net/${name}`);
  await net.run("host", "sh", ["-ec", lines.join("\n")]);
}
