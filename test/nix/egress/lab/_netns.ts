import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

const repository = fileURLToPath(new URL("../../../..", import.meta.url));
const prefix = "cle-";
let made = 0;

/** What a test run that was killed has left behind: namespaces of a process that is no more, and what runs in them. */
export async function removeLeftovers(): Promise<void> {
  const { stdout } = await execa("ip", ["netns", "list"]);
  for (const [, name, pid] of stdout.matchAll(new RegExp(`^(${prefix}(\\d+)-\\S+)`, "gm"))) {
    if (name === undefined || existsSync(`/proc/${pid}`)) continue;
    const { stdout: pids } = await execa("ip", ["netns", "pids", name]);
    for (const left of pids.split("\n").filter(Boolean)) process.kill(Number(left), "SIGKILL");
    await removeNamespace(name);
  }
}

async function removeNamespace(name: string): Promise<void> {
  await execa("ip", ["netns", "delete", name], { reject: false });
  rmSync(join("/etc/netns", name), { recursive: true, force: true });
}

/** Network namespaces of one test, joined by veth pairs. Nothing of the machine's own network is touched. */
export class Netns {
  readonly #id = `${prefix}${process.pid}-${made++}`;
  readonly #names = new Set<string>();
  readonly #processes: { kill(signal: "SIGKILL"): boolean; ended: Promise<unknown> }[] = [];

  path(name: string): string {
    return `${this.#id}-${name}`;
  }

  /** @param files put over /etc for what `exec` runs in it, e.g. resolv.conf */
  async add(name: string, files: Record<string, string> = {}): Promise<void> {
    this.#names.add(name);
    const etc = join("/etc/netns", this.path(name));
    mkdirSync(etc, { recursive: true });
    for (const [file, content] of Object.entries(files)) writeFileSync(join(etc, file), content);
    await execa("ip", ["netns", "add", this.path(name)]);
    await this.run(name, "ip", ["link", "set", "lo", "up"]);
  }

  /** A cable: one end in each namespace, with its addresses (with prefix). */
  async link(one: [name: string, ...addresses: string[]], other: [name: string, ...addresses: string[]]) {
    const [a, b] = [`to-${other[0]}`, `to-${one[0]}`];
    const ends = ["link", "add", a, "netns", this.path(one[0]), "type", "veth", "peer", "name", b];
    await execa("ip", [...ends, "netns", this.path(other[0])]);
    await Promise.all([this.addresses(one[0], a, one.slice(1)), this.addresses(other[0], b, other.slice(1))]);
  }

  async addresses(name: string, device: string, addresses: string[]): Promise<void> {
    // nodad: an IPv6 address is otherwise tentative, and of no use, for a second.
    const lines = addresses.map((at) => `address add ${at} dev ${device}${at.includes(":") ? " nodad" : ""}`);
    await this.run(name, "ip", ["-batch", "-"], [...lines, `link set ${device} up`].join("\n"));
  }

  async routes(name: string, routes: string[]): Promise<void> {
    await this.run(name, "ip", ["-batch", "-"], routes.map((route) => `route add ${route}`).join("\n"));
  }

  /** @throws ExecaError when it fails */
  async run(name: string, command: string, args: string[], input = ""): Promise<string> {
    const { stdout } = await execa("ip", ["netns", "exec", this.path(name), command, ...args], { input });
    return stdout;
  }

  /** A process that lives until `remove`. `ip netns exec` becomes it, so that it is ended by its own id. */
  start(name: string, command: string, args: string[]) {
    const options = { all: true, buffer: false, reject: false, cwd: repository } as const;
    const child = execa("ip", ["netns", "exec", this.path(name), command, ...args], options);
    this.#processes.push({ kill: (signal) => child.kill(signal), ended: child });
    return child;
  }

  async remove(): Promise<void> {
    for (const child of this.#processes) child.kill("SIGKILL");
    await Promise.all(this.#processes.map(({ ended }) => ended));
    for (const name of this.#names) await removeNamespace(this.path(name));
  }
}

/** @returns when the process has printed a line with this text; the lines so far @throws Error when it ends before */
export async function printed(child: { all: Readable }, text: string) {
  const lines: string[] = [];
  return await new Promise<string[]>((resolve, reject) => {
    child.all.setEncoding("utf8");
    child.all.on("data", (chunk: string) => {
      lines.push(chunk);
      if (lines.join("").includes(text)) resolve(lines);
    });
    child.all.on("end", () => reject(new Error(`ended before it said "${text}": ${lines.join("")}`)));
  });
}
