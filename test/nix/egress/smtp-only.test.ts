import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import { type Attempt, allowed, judge, ping, refused, summary, tcp, udp } from "./lab/_attempts.ts";
import { Lab, needs, type Who } from "./lab/_lab.ts";
import * as world from "./lab/_world.ts";

const { internet, inside, metadata } = world;
const users: Who[] = ["bot", "user", "root", "container"];

const smtp = users.flatMap((who) =>
  [internet.mail, internet.mail6].flatMap((mail) =>
    world.smtpPorts.map((port) => refused(`TCP ${port} to ${mail}`, who, tcp(mail, port))),
  ),
);

/** Everything else is as open as it was. */
const rest: Attempt[] = users.flatMap((who) => [
  allowed("443", who, tcp(internet.unlisted, 443), `tcp ${internet.unlisted} 443`),
  allowed("443 over IPv6", who, tcp(internet.unlisted6, 443), `tcp ${internet.unlisted6} 443`),
  allowed("443 at the mail server", who, tcp(internet.mail, 443), `tcp ${internet.mail} 443`),
  allowed("ssh", who, tcp(internet.unlisted, 22), `tcp ${internet.unlisted} 22`),
  allowed("a DNS question", who, udp(internet.otherResolver, 53), `udp ${internet.otherResolver} 53`),
  allowed("UDP at an SMTP port's number", who, udp(internet.mail, 587), `udp ${internet.mail} 587`),
  allowed("a private address", who, tcp(inside.ten, 443), `tcp ${inside.ten} 443`),
  allowed("ICMP", who, ping(internet.unlisted), `icmp ${internet.unlisted}`),
]);

const toMetadata = users.flatMap((who) =>
  [metadata.v4, metadata.v6].map((at) =>
    who === "root"
      ? allowed(`metadata at ${at}`, who, tcp(at, 80), `tcp ${at} 80`)
      : refused(`metadata at ${at}`, who, tcp(at, 80)),
  ),
);

/** Refused with a reset: a connection that no one answers would keep a bot waiting for minutes. */
const toTailnet = [inside.tailnet, inside.magicDns, inside.tailnet6].flatMap((at) => [
  ...(["bot", "otherBot"] as const).map((who) => refused(`the tailnet at ${at}`, who, tcp(at, 443))),
  refused(`a datagram to the tailnet at ${at}`, "bot", udp(at, 53)),
  refused(`ICMP to the tailnet at ${at}`, "bot", ping(at)),
  ...(["user", "root"] as const).map((who) => allowed(`the tailnet at ${at}`, who, tcp(at, 443), `tcp ${at} 443`)),
]);
const attempts = [...smtp, ...rest, ...toMetadata, ...toTailnet];

describeWith(needs, "smtp-only, on the wire", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
    await lab.load(await lab.ruleset({}));
  });
  afterAll(async () => {
    await lab?.stop();
    process.stdout.write(`egress, smtp-only: ${summary(attempts)}\n`);
  });

  it.each(attempts.map((attempt) => [`${attempt.who}: ${attempt.name}`, attempt] as const))(
    "%s",
    async (_, attempt) => {
      await judge(lab, attempt);
    },
  );

  it("stays closed where another table accepts, as Docker's and NixOS' do", async () => {
    const chain = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} priority filter; policy accept; tcp dport { 25, 587 } accept; }`;
    await lab.load(`table inet other {\n${chain("output")}\n${chain("forward")}\n}\n`);
    await judge(lab, refused("", "bot", tcp(internet.mail, 25)));
    await judge(lab, refused("", "container", tcp(internet.mail6, 587)));
  });

  it("refuses a bot's connection to the tailnet at once", async () => {
    for (const at of [inside.tailnet, inside.magicDns, inside.tailnet6]) {
      const { answer } = await lab.attempt("bot", tcp(at, 443));
      expect(answer.error, at).toBe("ECONNREFUSED");
    }
  });

  it("keeps a bot from networks that the tailnet's interface leads to", async () => {
    const network = [
      "link add tailscale0 type veth peer name far",
      "link set tailscale0 up",
      "link set far up",
      "route add 192.0.2.0/24 dev tailscale0",
    ];
    await lab.net.run("host", "ip", ["-batch", "-"], network.join("\n"));
    expect((await lab.attempt("bot", tcp("192.0.2.7", 443))).answer.error).toBe("ECONNREFUSED");
    expect((await lab.attempt("user", tcp("192.0.2.7", 443))).answer.error).not.toBe("ECONNREFUSED");
  });

  it("answers a client whose own port is 2525", async () => {
    const fromPort = `from socket import *; s = create_connection(("${world.host.v4}", 80), source_address=("${world.gateway}", 2525))
s.send(b"GET / HTTP/1.0\\r\\n\\r\\n"); s.settimeout(2); print(s.recv(4096).decode())`;
    const answer = await lab.net.run("internet", "/usr/bin/python3", ["-c", fromPort]);
    if (!answer.includes(`served-by ${world.host.v4} 80`)) throw new Error(answer);
  });
});

describeWith(needs, "a bot that may reach the tailnet", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
  });
  afterAll(() => lab?.stop());
  const tailnetAddresses = { [world.uids.bot]: [inside.tailnet, "fd7a:115c:a1e0::/64"] };

  it.each(["smtp-only", "none"])("reaches what is named, and another bot does not, in %s", async (mode) => {
    await lab.load(await lab.ruleset({ mode, tailnetAddresses }));
    for (const at of [inside.tailnet, inside.tailnet6]) {
      await judge(lab, allowed("", "bot", tcp(at, 443), `tcp ${at} 443`));
      await judge(lab, refused("", "otherBot", tcp(at, 443)));
    }
    await judge(lab, refused("", "bot", tcp(inside.magicDns, 443)));
  });

  it("stays behind the proxy in proxy-allowlist", async () => {
    await lab.load(await lab.ruleset({ mode: "proxy-allowlist", tailnetAddresses }));
    await judge(lab, refused("", "bot", tcp(inside.tailnet, 443)));
  });
});

describeWith(needs, "exceptions from smtp-only", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
  });
  afterAll(() => lab?.stop());
  const load = async (...smtpExceptions: unknown[]) => await lab.load(await lab.ruleset({ smtpExceptions }));
  const { mail, mail6, unlisted } = internet;
  const reaches = (who: Who, at: string, port: number) =>
    judge(lab, allowed("", who, tcp(at, port), `tcp ${at} ${port}`));
  const fails = (who: Who, at: string, port: number) => judge(lab, refused("", who, tcp(at, port)));

  it("a destination is open for everyone, containers included, and no other", async () => {
    await load({ destinations: [mail, "2a00:1450::/32"] });
    for (const who of users) for (const at of [mail, mail6]) await reaches(who, at, 587);
    for (const who of users) await fails(who, unlisted, 587);
  });

  it("a user may mail everywhere, and no other user may", async () => {
    await load({ uid: world.uids.user });
    await reaches("user", mail, 25);
    await reaches("user", mail6, 465);
    for (const who of ["bot", "root", "container"] as const) await fails(who, mail, 25);
  });

  it("a user, a destination and a port together open just that", async () => {
    await load({ uid: world.uids.user, destinations: [mail], ports: [587] });
    await reaches("user", mail, 587);
    await fails("user", mail, 25);
    await fails("user", unlisted, 587);
    await fails("bot", mail, 587);
    await fails("container", mail, 587);
  });

  it("none of them lets a bot past proxy-allowlist", async () => {
    const smtpExceptions = [{ uid: world.uids.bot }, { destinations: [mail] }];
    await lab.load(await lab.ruleset({ mode: "proxy-allowlist", smtpExceptions }));
    await fails("bot", mail, 587);
    await fails("proxy", mail, 587);
    await reaches("user", mail, 587);
  });
});
