import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { execa } from "execa";
import type { Answer, Command } from "./_agent.ts";
import { cable } from "./_cables.ts";
import { callNix } from "./_eval.ts";
import { Netns, printed, removeLeftovers } from "./_netns.ts";
import { program, resolve, serve } from "./_servers.ts";
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
  #agent = "";
  #proxy: ReturnType<Netns["start"]> | undefined;
  /** What the resolver was asked, one line a question. */
  readonly asked: string[] = [];

  static async start(): Promise<Lab> {
    await removeLeftovers();
    const lab = new Lab();
    try {
      await cable(lab.net);
      lab.#agent = await program("_agent.ts", lab.folder);
      await serve(lab.net, lab.folder);
      await resolve(lab.net, lab.asked);
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

  /** The host's rules for this policy, as nix/lib/egress makes them. */
  async ruleset(policy: Record<string, unknown>): Promise<string> {
    const { bot, otherBot, proxy: proxyUid } = world.uids;
    // One proxy of the lab for both.
    const proxyAddresses = { [bot]: "127.0.0.1", [otherBot]: "127.0.0.1" };
    return await callNix("egress", "ruleset", { botUids: [bot, otherBot], proxyUid, proxyAddresses, ...policy });
  }

  /** tinyproxy as its own user, with the files that nix/lib/egress/proxy.nix makes, or with others instead. */
  async startProxy(options: { plainHttp?: boolean; filter?: string; config?: (text: string) => string } = {}) {
    this.#proxy?.kill("SIGKILL");
    await this.#proxy;
    const [filterFile, configFile] = [join(this.folder, "filter"), join(this.folder, "tinyproxy.conf")];
    const { plainHttp = false, config = (text) => text } = options;
    const { allowedDomains } = world;
    const filter =
      options.filter ?? (await callNix<string>("egress/proxy.nix", "filter", { allowedDomains, plainHttp }));
    writeFileSync(filterFile, filter);
    writeFileSync(
      configFile,
      config(await callNix<string>("egress/proxy.nix", "config", { port: world.proxyPort, filterFile })),
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
      reached: answer.error === undefined && (answer.text.includes(world.served) || answer.text.includes("bytes from")),
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
      const child = this.net.start(name, "node", [this.#agent, `${uid}`]);
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
}
