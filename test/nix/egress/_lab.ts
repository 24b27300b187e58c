import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { type Answer, type Command, served } from "./_agent.ts";
import { callNix } from "./_eval.ts";
import { Netns, printed, removeLeftovers } from "./_netns.ts";
import type { PeerOptions } from "./_peer.ts";
import { Wire } from "./_wire.ts";
import * as world from "./_world.ts";

export type Who = keyof typeof world.uids | "container";

/** What one attempt came to. */
export interface Seen {
  answer: Answer;
  /** Did a server of the lab answer, or to a ping the address? */
  reached: boolean;
  /** Everything that arrived anywhere but at the proxy and, from the proxy, the resolver. */
  arrived: string[];
}

const script = (file: string) => ["--import", "tsx", fileURLToPath(new URL(file, import.meta.url))];
const tools = ["nft", "ip", "tinyproxy", "dnsmasq", "nix-instantiate", "ping", "curl", "openssl", "python3"] as const;
export const needs = { programs: [...tools], root: true };

/**
 * A host with its users, a container behind it, and around it the internet, a private network and the metadata service: real
 * kernel, rules, proxy and resolver, in network namespaces.
 */
export class Lab {
  readonly folder = mkdtempSync(join(tmpdir(), "clawdlets-egress-"));
  readonly net = new Netns();
  readonly #agents = new Map<Who, (command: Command) => Promise<Answer>>();
  readonly #wires: Wire[] = [];
  #proxy: ReturnType<Netns["start"]> | undefined;
  #resolver: ReturnType<Netns["start"]> | undefined;
  /** What the resolver was asked, one line a question. */
  readonly asked: string[] = [];

  static async start(): Promise<Lab> {
    await removeLeftovers();
    const lab = new Lab();
    try {
      await lab.#cable();
      await lab.#serve();
      await lab.#startResolver();
      const uids = [world.uids.bot, world.uids.otherBot, world.uids.proxy];
      for (const peer of ["internet", "inside", "metadata"]) lab.#wires.push(await Wire.tap(lab.net, peer));
      lab.#wires.push(await Wire.tap(lab.net, "host", uids));
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.net.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Loads a file for `nft -f`, as the host does at boot and at each switch. */
  async load(ruleset: string): Promise<void> {
    await this.net.run("host", "nft", ["-f", "-"], ruleset);
  }

  /** The host's rules for this policy, as nix/lib/egress.nix makes them. */
  async ruleset(policy: Record<string, unknown>): Promise<string> {
    const { bot, otherBot, proxy: proxyUid } = world.uids;
    return await callNix("egress.nix", "ruleset", { botUids: [bot, otherBot], proxyUid, ...policy });
  }

  /** tinyproxy as its own user, with the files that nix/lib/proxy.nix makes, or with others instead. */
  async startProxy(options: { plainHttp?: boolean; filter?: string; config?: (text: string) => string } = {}) {
    this.#proxy?.kill("SIGKILL");
    await this.#proxy;
    const [filterFile, configFile] = [join(this.folder, "filter"), join(this.folder, "tinyproxy.conf")];
    const { plainHttp = false, config = (text) => text } = options;
    const { allowedDomains } = world;
    const filter = options.filter ?? (await callNix<string>("proxy.nix", "filter", { allowedDomains, plainHttp }));
    writeFileSync(filterFile, filter);
    writeFileSync(
      configFile,
      config(await callNix<string>("proxy.nix", "config", { port: world.proxyPort, filterFile })),
    );
    await execa("chown", ["-R", `${world.uids.proxy}`, this.folder]);
    const { proxy: uid } = world.uids;
    const user = ["--reuid", `${uid}`, "--regid", `${uid}`, "--clear-groups", "--no-new-privs"];
    this.#proxy = this.net.start("host", "setpriv", [...user, "tinyproxy", "-d", "-c", configFile]);
    // 1.11.1 opens its socket after "Reloading config file finished" and says nothing more: connecting is what tells.
    await printed(this.#proxy, "Initializing");
    await this.#untilItListens();
    await this.#collect();
  }

  /** Does as one user of the host, or in the container, and tells what arrived where. */
  async attempt(who: Who, command: Command): Promise<Seen> {
    const answer = await this.#tell(who, command);
    const arrived = await this.#collect();
    return {
      answer,
      reached: answer.error === undefined && (answer.text.includes(served) || answer.text.includes("bytes from")),
      arrived,
    };
  }

  async #untilItListens(): Promise<void> {
    const greeting: Command = { kind: "tcp", host: "127.0.0.1", port: world.proxyPort, send: ["\r\n"] };
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await setTimeout(20)) {
      const { error } = await this.#tell("user", greeting);
      if (error !== "ECONNREFUSED") return;
    }
    throw new Error(`tinyproxy does not listen on ${world.proxyPort} after 10 s`);
  }

  async #collect(): Promise<string[]> {
    // A packet that got out is on a queue for microseconds: what left before this round trip has arrived after it.
    const echoes = [world.internet.listed, world.inside.ten, world.metadata.v4];
    for (const host of echoes) await this.#tell("root", { kind: "udp", host, port: 9, send: "barrier" });
    const seen = await Promise.all(this.#wires.map((wire) => wire.take()));
    const { bot, otherBot, proxy } = world.uids;
    const isMeant = (packet: string) =>
      packet.endsWith(`127.0.0.1 ${world.proxyPort}`) && [bot, otherBot].some((uid) => packet.startsWith(`${uid} tcp`));
    const isQuestion = (packet: string) => packet === `${proxy} udp ${world.resolver} 53`;
    return seen.flat().filter((packet) => !isMeant(packet) && !isQuestion(packet));
  }

  async #tell(who: Who, command: Command): Promise<Answer> {
    let agent = this.#agents.get(who);
    if (agent === undefined) {
      const [name, uid] = who === "container" ? ["container", 0] : ["host", world.uids[who]];
      const child = this.net.start(name, "node", [...script("_agent.ts"), `${uid}`]);
      await printed(child, "ready");
      const lines = createInterface({ input: child.all })[Symbol.asyncIterator]();
      agent = async (next) => {
        child.stdin.write(`${JSON.stringify(next)}\n`);
        const { value, done } = await lines.next();
        if (done === true) throw new Error(`the agent of ${who} ended`);
        return JSON.parse(value) as Answer;
      };
      this.#agents.set(who, agent);
    }
    return await agent(command);
  }

  async #cable(): Promise<void> {
    const { net } = this;
    const etc = {
      "resolv.conf": `nameserver ${world.resolver}\n`,
      "nsswitch.conf": "hosts: files dns\n",
      hosts: "127.0.0.1 localhost\n::1 localhost\n",
    };
    const { internet, inside, metadata, container, host } = world;
    await net.add("host", etc);
    for (const name of ["internet", "inside", "metadata", "container"]) await net.add(name, { ...etc, hosts: "" });
    await net.link(
      ["host", `${host.v4}/24`, `${host.v6}/64`],
      ["internet", `${world.gateway}/24`, "2a01:4f8:1:2::1/64"],
    );
    await net.link(["host", "10.0.0.1/24", "fd00::1/64"], ["inside", "10.0.0.2/24", "fd00::2/64"]);
    await net.link(
      ["host", "169.254.169.1/24", "fd00:ec2::1/64"],
      ["metadata", `${metadata.v4}/24`, `${metadata.v6}/64`],
    );
    await net.link(["host", "172.17.0.1/24", "fd17::1/64"], ["container", `${container.v4}/24`, `${container.v6}/64`]);
    const single = (at: string) => `${at}/${at.includes(":") ? 128 : 32}`;
    await net.addresses("internet", "lo", Object.values(internet).map(single));
    await net.addresses("inside", "lo", Object.values(inside).map(single));
    const within = Object.values(inside).map((at) => `${single(at)} via ${at.includes(":") ? "fd00::2" : "10.0.0.2"}`);
    await net.routes("host", [`default via ${world.gateway}`, "default via 2a01:4f8:1:2::1", ...within]);
    const back = {
      internet: ["45.67.89.2", host.v6],
      inside: ["10.0.0.1", "fd00::1"],
      metadata: ["169.254.169.1", "fd00:ec2::1"],
    };
    for (const [peer, ways] of Object.entries(back))
      await net.routes(
        peer,
        ways.map((way) => `default via ${way}`),
      );
    await net.routes("container", ["default via 172.17.0.1", "default via fd17::1"]);
    const settings = {
      "ipv4/ip_forward": "1",
      "ipv6/conf/all/forwarding": "1",
      "ipv4/ping_group_range": "0 2147483647",
    };
    const lines = Object.entries(settings).map(([name, value]) => `echo ${value} >/proc/sys/net/${name}`);
    await net.run("host", "sh", ["-ec", lines.join("\n")]);
  }

  async #serve(): Promise<void> {
    const [key, cert] = [join(this.folder, "key.pem"), join(this.folder, "cert.pem")];
    const subject = ["-subj", "/CN=lab", "-days", "1", "-keyout", key, "-out", cert];
    await execa("openssl", [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      ...subject,
    ]);
    const common = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8"), udp: [9, 53, 443, 587] };
    const outside = [22, 53, 80, 443, 8443, ...world.smtpPorts];
    const peers: Record<string, PeerOptions> = {
      internet: { addresses: Object.values(world.internet), tcp: outside, ...common },
      inside: { addresses: Object.values(world.inside), tcp: [80, 443], ...common },
      metadata: { addresses: Object.values(world.metadata), tcp: [80, 443], ...common },
      // sshd, the proxy's ports, another bot's listener and the bot's own.
      host: {
        addresses: ["127.0.0.1", "::1", world.host.v4, world.host.v6],
        tcp: [22, 80, 443, 8080, 18789],
        ...common,
      },
      container: { addresses: [world.container.v4], tcp: [80], ...common },
    };
    await Promise.all(
      Object.entries(peers).map(async ([name, options]) => {
        await printed(this.net.start(name, "node", [...script("_peer.ts"), JSON.stringify(options)]), "ready");
      }),
    );
  }

  async #startResolver(): Promise<void> {
    const hosts = Object.entries(world.names).map(([name, at]) => `--host-record=${[name, ...at].join(",")}`);
    const alone = [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--user=root",
      "--pid-file=",
    ];
    const at = [`--listen-address=${world.resolver}`, "--bind-interfaces", "--log-queries", "--log-facility=-"];
    this.#resolver = this.net.start("host", "dnsmasq", [...alone, ...at, ...hosts]);
    await printed(this.#resolver, "started");
    createInterface({ input: this.#resolver.all }).on("line", (line) => {
      if (line.includes("query[")) this.asked.push(line);
    });
  }
}
