import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { execa } from "execa";
import { poll } from "../../../core/base/wait-until.ts";
import { ensureTailnet, type Tailnet } from "../../../toolchain/index.ts";
import { repository } from "../../_repository.ts";
import { Netns, printed, removeLeftovers } from "../egress/lab/_netns.ts";
import { certificate, configuration, controlAddress, controlUrl } from "./_control.ts";
import { RekeyingHost } from "./_rekeying.ts";

export const needs = { programs: ["ip", "openssl", "ssh", "bash"], root: true, tailnet: true };

/** A tailnet of real programs: headscale with an authority and a DERP relay of its own, and machines, each in a network namespace. */
export class TailnetLab {
  readonly folder = mkdtempSync(join(tmpdir(), "clawdlets-tailnet-lab-"));
  readonly net = new Netns();
  readonly programs: Tailnet;
  readonly #machines: Machine[] = [];
  #control: ReturnType<Netns["start"]> | undefined;
  /** Path of the socket of _api.ts. */
  #api: Promise<string> | undefined;

  private constructor(programs: Tailnet) {
    this.programs = programs;
  }

  static async start(): Promise<TailnetLab> {
    const report = () => undefined;
    const programs = await ensureTailnet({ root: repository, sources: join(repository, "toolchain"), report });
    await removeLeftovers();
    const lab = new TailnetLab(programs);
    try {
      await lab.net.add("control");
      await lab.net.addresses("control", "lo", [`${controlAddress}/32`]);
      await lab.net.run("control", "sh", ["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
      await certificate(lab.folder);
      writeFileSync(join(lab.folder, "headscale.yaml"), configuration(lab.folder));
      await lab.startControl();
      await lab.headscale("users", "create", "lab");
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

  async startControl(): Promise<void> {
    const args = ["-c", join(this.folder, "headscale.yaml"), "serve"];
    this.#control = this.net.start("control", this.programs.headscale, args);
    this.#control.all.resume();
    await until("headscale answers", async () => {
      const { exitCode } = await this.#run(["nodes", "list", "-o", "json"]);
      return exitCode === 0;
    });
  }

  async stopControl(): Promise<void> {
    this.#control?.kill("SIGTERM");
    await this.#control;
  }

  /** @returns what the command prints as JSON */
  async headscale(...args: string[]): Promise<unknown> {
    return JSON.parse(await this.headscaleText(...args, "-o", "json"));
  }

  /** @returns what the command prints, for the few that print no JSON */
  async headscaleText(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.#run(args);
    if (exitCode !== 0) throw new Error(`headscale ${args.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Makes an auth key: for one machine and an hour, unless the flags say something else. */
  async mint(...flags: string[]): Promise<string> {
    return ((await this.headscale("preauthkeys", "create", "--user", "1", ...flags)) as { key: string }).key;
  }

  /** Calls the control server's API with a key. @returns the result of each call */
  async api(calls: [string, ...unknown[]][], apiKey: string): Promise<unknown[]> {
    this.#api ??= this.#startApi();
    const asked = request({ socketPath: await this.#api, method: "POST" });
    const credentials = { service: "headscale", endpoint: `https://${controlAddress}:8443`, apiKey };
    asked.end(JSON.stringify({ credentials, calls }));
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    return JSON.parse(await text(answer)) as unknown[];
  }

  async #startApi(): Promise<string> {
    const socket = join(this.folder, "api.socket");
    const program = ["--import", join(repository, "bin/typescript.mjs"), join(import.meta.dirname, "_api.ts"), socket];
    const trusted = `NODE_EXTRA_CA_CERTS=${join(this.folder, "ca.pem")}`;
    await printed(this.net.start("control", "env", [trusted, "node", ...program]), "ready");
    return socket;
  }

  /** The control server's number of the node that a machine is. */
  async nodeOf(machine: Machine): Promise<string> {
    const [address] = (await machine.status()).Self.TailscaleIPs ?? [];
    const nodes = (await this.headscale("nodes", "list")) as { id: number; ip_addresses: string[] }[];
    const node = nodes.find(({ ip_addresses }) => ip_addresses.includes(address ?? ""));
    if (!node) throw new Error(`headscale knows no node at ${address}`);
    return String(node.id);
  }

  /** A computer with tailscaled, not in the tailnet yet. @param flags of tailscaled */
  async machine(name: string, ...flags: string[]): Promise<Machine> {
    const number = this.#machines.length + 1;
    const machine = new Machine(this, name, flags);
    this.#machines.push(machine);
    await this.net.add(name, files);
    await this.net.link(["control", `10.20.${number}.1/24`], [name, `10.20.${number}.2/24`]);
    await this.net.routes(name, [`default via 10.20.${number}.1`]);
    await machine.start();
    return machine;
  }

  #run(args: string[]) {
    return execa(this.programs.headscale, ["-c", join(this.folder, "headscale.yaml"), ...args], { reject: false });
  }
}

/** Of every machine. */
const files = {
  hosts: `127.0.0.1 localhost\n${controlAddress} control.test\n`,
  "resolv.conf": "nameserver 127.0.0.1\n",
};

/** Where its resolv.conf is a mount, tailscaled keeps a copy beside it: in this machine's /etc, if it had no other. */
const withOwnEtc = `cp /etc/nsswitch.conf /etc/passwd /etc/group "$0" && mount --bind "$0" /etc && exec "$@"`;

interface Status {
  BackendState: string;
  TUN: boolean;
  Self: { ID: string; TailscaleIPs: string[] | null; PublicKey: string };
}

/** What came of a run of nix/host/join-tailnet.sh. */
export interface Joined {
  exitCode: number | undefined;
  /** Both streams. */
  said: string;
  /** The file that everyone may read. */
  state: string;
}

export class Machine {
  readonly lab: TailnetLab;
  readonly name: string;
  /** Of tailscaled, besides its files. */
  readonly flags: string[];
  readonly folder: string;
  /** What tailscaled has as /etc. */
  readonly etc: string;
  /** Named by CLAWDLETS_TAILSCALE: the real program, with this machine's daemon. */
  readonly tailscale: string;
  readonly keyFile: string;
  readonly stateFile: string;
  #daemon: ReturnType<Netns["start"]> | undefined;

  constructor(lab: TailnetLab, name: string, flags: string[]) {
    this.lab = lab;
    this.name = name;
    this.flags = flags;
    this.folder = join(lab.folder, name);
    this.etc = join(lab.folder, `${name}-etc`);
    for (const folder of [join(this.folder, "bin"), this.etc]) mkdirSync(folder, { recursive: true });
    for (const [file, content] of Object.entries(files)) writeFileSync(join(this.etc, file), content);
    this.tailscale = join(this.folder, "bin/tailscale");
    this.keyFile = join(this.folder, "auth-key");
    this.stateFile = join(this.folder, "join-state");
    const socket = join(this.folder, "socket");
    writeFileSync(this.tailscale, `#!/bin/sh\nexec ${lab.programs.tailscale} --socket=${socket} "$@"\n`);
    chmodSync(this.tailscale, 0o755);
  }

  async start(): Promise<void> {
    const state = ["--statedir", this.folder, "--socket", join(this.folder, "socket"), "--no-logs-no-support"];
    const daemon = [`SSL_CERT_FILE=${join(this.lab.folder, "ca.pem")}`, this.lab.programs.tailscaled, ...state];
    this.#daemon = this.lab.net.start(this.name, "sh", ["-c", withOwnEtc, this.etc, "env", ...daemon, ...this.flags]);
    this.#daemon.all.resume();
    await until(
      `tailscaled of ${this.name} answers`,
      async () => (await this.command("status", "--json")).exitCode === 0,
    );
  }

  async stop(): Promise<void> {
    this.#daemon?.kill("SIGTERM");
    await this.#daemon;
  }

  /** Forgets all that tailscaled has kept, as if on an empty disk. It must be stopped. */
  wipe(): void {
    for (const name of readdirSync(this.folder).filter((each) => each !== "bin"))
      rmSync(join(this.folder, name), { recursive: true });
  }

  async command(...args: string[]) {
    return await execa(this.tailscale, args, { reject: false, all: true, timeout: 30_000 });
  }

  async status(): Promise<Status> {
    return JSON.parse((await this.command("status", "--json")).stdout) as Status;
  }

  async untilIn(state: string): Promise<void> {
    await until(`${this.name} is ${state}`, async () => (await this.status()).BackendState === state);
  }

  async preferences(): Promise<Record<string, unknown>> {
    return JSON.parse((await this.command("debug", "prefs")).stdout) as Record<string, unknown>;
  }

  /** Runs the script of the unit clawdlets-tailnet once. @param key content of the secret's file; omitted: as it was */
  async join(key?: string, settings: Record<string, string> = {}): Promise<Joined> {
    if (key !== undefined) writeFileSync(this.keyFile, key, { mode: 0o400, flag: "w" });
    const env = {
      PATH: `${join(this.folder, "bin")}:/usr/bin:/bin`,
      AUTH_KEY_FILE: this.keyFile,
      SSH: "false",
      STATE_FILE: this.stateFile,
      LOGIN_SERVER: controlUrl,
      TAGS: "",
      UP_FLAGS: `--hostname=${this.name}`,
      LOCK_FILE: join(this.folder, "rekey/locks/tailnet.lock"),
      KEPT_STATE: join(this.folder, "tailscaled.state.kept"),
      JOIN_SECONDS: "20",
      ...settings,
    };
    const script = join(repository, "nix/host/join-tailnet.sh");
    const { exitCode, all } = await execa("bash", [script], { env, extendEnv: false, reject: false, all: true });
    const state = existsSync(this.stateFile) ? readFileSync(this.stateFile, "utf8") : "";
    return { exitCode, said: all, state: state.trim() };
  }

  /** With clawdlets-rekey and what it asks of systemd. The caller closes it. */
  async rekeying(): Promise<RekeyingHost> {
    const services = { stop: () => this.stop(), start: () => this.start() };
    const joinUnit = () => this.join();
    return await new RekeyingHost(this.folder, this.name, join(this.folder, "bin"), services, joinUnit).open();
  }

  /** Joins with a key of its own. @returns its IPv4 address in the tailnet */
  async joined(settings: Record<string, string> = {}): Promise<string> {
    const { exitCode, said } = await this.join(await this.lab.mint(), settings);
    if (exitCode !== 0) throw new Error(`${this.name} did not join: ${said}`);
    return (await this.status()).Self.TailscaleIPs?.[0] ?? "";
  }
}

/** @throws Error after so many seconds */
export async function until(what: string, isSo: () => Promise<boolean>, seconds = 30): Promise<void> {
  const found = await poll(async () => ((await isSo()) ? true : undefined), { seconds, pauseMs: 100 });
  if (!found) throw new Error(`not within ${seconds} s: ${what}`);
}
