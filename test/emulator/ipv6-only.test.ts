import { afterAll, beforeAll, expect, test } from "vitest";
import { done, knock, type Lab, newKey, newServer, reportOf, ssh, startLab, userDataWith } from "./_lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ rateLimit: 1_000_000 });
});
afterAll(async () => lab.stop());

const ipv6Only = { public_net: { enable_ipv4: false, enable_ipv6: true } };
const knockFromHere = (address: string) => knock(address, lab.emulator.sshPort, address);

test("a server without IPv4 has one primary IP and answers at the first address of its network, by its firewall's rules", async () => {
  const rule = (source: string) => ({ direction: "in", protocol: "tcp", port: "22", source_ips: [source] });
  const body = { name: "six", rules: [rule("0.0.0.0/0")] };
  const { firewall } = (await done(lab, "POST", "/firewalls", body)).body;
  const firewalls = [{ firewall: firewall.id }];
  const { id } = await newServer(lab, "ipv6-only", { ...ipv6Only, firewalls });
  const { server } = (await lab.api("GET", `/servers/${id}`)).body;
  expect(server.public_net).toMatchObject({ ipv4: null, ipv6: { ip: "::/64" } });
  expect(reportOf(lab, id)).toMatchObject({ ipv4: null, ipv6: "::1" });
  const { primary_ips: ips } = (await lab.api("GET", "/primary_ips")).body;
  expect(ips.filter((ip: { assignee_id: number }) => ip.assignee_id === id)).toHaveLength(1);

  const seen: string[] = [];
  for (const source of ["0.0.0.0/0", "2001:db8::/32", "::1/128", "::/0", "::ffff:0:0/96"]) {
    await done(lab, "POST", `/firewalls/${firewall.id}/actions/set_rules`, { rules: [rule(source)] });
    seen.push(await knockFromHere("::1"));
  }
  expect(seen).toEqual(["refused", "refused", "open", "open", "refused"]);

  // Linux has one IPv6 loopback address: the network of a second one is a record only.
  const second = await newServer(lab, "second", ipv6Only);
  expect(reportOf(lab, second.id).ipv6).toMatch(/^2001:db8:/);
  await done(lab, "DELETE", `/servers/${id}`);
  expect(await knockFromHere("::1")).toBe("refused");
});

test("such a machine cannot fetch from GitHub, which has no IPv6", async () => {
  const [hostKey, client] = [await newKey(lab, "host"), await newKey(lab, "client")];
  const run = (host: string, command: string) => ssh(lab, { user: "root", host, key: client, hostKey }, command);
  const more = { user_data: userDataWith(hostKey, client) };
  const { id } = await newServer(lab, "asks", { ...ipv6Only, ...more });
  const both = await newServer(lab, "asks-too", more);
  const fetches = (origin: string) =>
    `wget https://${origin}/a.tar.gz -O- >/dev/null; echo $?; ip r g 1 >/dev/null; echo $?`;
  const answer = async (host: string, origin: string) => (await run(host, fetches(origin))).stdout.toString();
  expect([await answer("::1", "github.com"), await answer("::1", "cache.example")]).toEqual(["4\n2\n", "0\n2\n"]);
  expect(await answer(both.ipv4, "github.com")).toBe("0\n0\n");
  await done(lab, "DELETE", `/servers/${id}`);
});

test("a server needs an address of one kind for its firewall", async () => {
  const { firewall } = (await done(lab, "POST", "/firewalls", { name: "none" })).body;
  const { id } = await newServer(lab, "dark", { public_net: { enable_ipv4: false, enable_ipv6: false } });
  const apply_to = [{ type: "server", server: { id } }];
  expect((await lab.api("POST", `/firewalls/${firewall.id}/actions/apply_to_resources`, { apply_to })).status).toBe(
    422,
  );
});
