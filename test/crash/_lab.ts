import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { readBootstrapKeys } from "../../core/host/install/bootstrap-keys.ts";
import { installIdOf } from "../../core/host/install/install-id.ts";
import { bootstrapUserData } from "../../core/host/install/user-data.ts";
import { readJournal } from "../../core/host/journal.ts";
import { probePort } from "../../core/host/reach/probe.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import type { ServerReport } from "../../emulator/report.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { killProcessesOf } from "../_processes.ts";
import { declareKind, type MachineKind, orderOf } from "./_machine-kinds.ts";

export interface CrashServer {
  id: number;
  address: string;
  facts: string;
  firewall: number;
}

export type Run = ReturnType<CrashLab["run"]>;

/** Installers that print in their own way, as shell commands around the stand-in. */
const installers = {
  silent: (standIn: string) => `${standIn} >/dev/null 2>&1`,
  /** A milestone and a line of bytes that are not UTF-8, on both streams. */
  bytes: (standIn: string) =>
    `printf '### caf\\351 \\377\\376 ###\\n\\300\\200\\n'; printf '\\360\\237 half\\n' >&2; ${standIn}`,
  /** Fails at its last phase, before it does anything. */
  noReboot: (standIn: string) => `case " $* " in *" --phases reboot "*) exit 1 ;; esac; ${standIn}`,
} as const;

/** A project with an emulated Hetzner, for installations that are disturbed and then run again. */
export class CrashLab {
  readonly demo: Demo;
  readonly #kind: MachineKind;
  readonly #folder: string;
  readonly #environment: Record<string, string>;

  private constructor(demo: Demo, kind: MachineKind, folder: string, environment: Record<string, string>) {
    this.demo = demo;
    this.#kind = kind;
    this.#folder = folder;
    this.#environment = environment;
  }

  static async open(kind: MachineKind = "x86"): Promise<CrashLab> {
    const folder = mkdtempSync(join(tmpdir(), "clawdlets-crash-"));
    const places = { root: join(folder, "project"), data: join(folder, "emulator") };
    const demo = await prepareDemo(() => undefined, places);
    await declareKind(demo, kind, folder);
    const engine = findEngine(process.cwd());
    if (!engine) throw new Error("no engine: run scripts/setup.sh");
    return new CrashLab(demo, kind, folder, engineEnvironment(demo.layout, engine));
  }

  async close(): Promise<void> {
    await this.demo.close();
    killProcessesOf(this.#folder); // The plugins of engines that were killed.
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async api(method: string, path: string, body?: unknown) {
    const endpoint = this.#environment["HCLOUD_ENDPOINT"] ?? "";
    const response = await fetch(path.startsWith("/_") ? new URL(path, endpoint) : `${endpoint}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#environment["HCLOUD_TOKEN"]}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return text === "" ? undefined : JSON.parse(text);
  }

  /** A server as the program makes it: closed from before its first boot, born with the one-time keys. */
  async createServer(): Promise<CrashServer> {
    const rules = [{ direction: "in", protocol: "icmp", source_ips: ["0.0.0.0/0"] }];
    const { firewall } = await this.api("POST", "/firewalls", { name: `closed-${Date.now()}`, rules });
    const keys = readBootstrapKeys(hostLayoutOf(this.demo.layout, this.demo.host));
    if (!keys) throw new Error("the project has no one-time keys");
    const { server } = await this.api("POST", "/servers", {
      name: this.demo.host,
      ...orderOf[this.#kind],
      image: "debian-12",
      location: "nbg1",
      firewalls: [{ firewall: firewall.id }],
      user_data: bootstrapUserData(keys),
    });
    while ((await this.api("GET", `/servers/${server.id}`)).server.status !== "running") await sleep(50);
    const { ipv4, ipv6 } = await this.#reportOf(server.id);
    const address = ipv4 ?? ipv6 ?? "";
    const installId = installIdOf({ host: this.demo.host, serverId: server.id, reinstall: 0 });
    return {
      id: server.id,
      address,
      facts: JSON.stringify({ serverId: server.id, address, installId }),
      firewall: firewall.id,
    };
  }

  async deleteServer({ id, firewall }: CrashServer): Promise<void> {
    await this.api("DELETE", `/servers/${id}`);
    const isInUse = async () => (await this.api("DELETE", `/firewalls/${firewall}`))?.error?.code === "resource_in_use";
    while (await isInUse()) await sleep(50);
  }

  /**
   * `clawdlets` with the host named, as a person runs it in the project. `installer`: as one in {@link installers} does. `hasSession`:
   * it leads a process group, as on a terminal.
   */
  run(
    args: string[],
    { installer, hasSession = false }: { installer?: keyof typeof installers; hasSession?: boolean } = {},
  ) {
    return execa(join(process.cwd(), "bin", "clawdlets"), [...args, "--host", this.demo.host], {
      cwd: this.demo.layout.root,
      env: { ...this.#environment, ...this.#installerEnv(installer) },
      reject: false,
      all: true,
      stdin: "ignore",
      detached: hasSession,
    });
  }

  #installerEnv(name: keyof typeof installers | undefined): Record<string, string> {
    return name === undefined ? {} : { CLAWDLETS_NIXOS_ANYWHERE: this.#installer(name) };
  }

  #installer(name: keyof typeof installers): string {
    const file = join(this.#folder, `nixos-anywhere-${name}`);
    const standIn = join(process.cwd(), "emulator/stand-ins/nixos-anywhere");
    writeFileSync(file, `#!/bin/sh\n${installers[name](`'${standIn}' "$@"`)}\n`, { mode: 0o755 });
    return file;
  }

  #reinstall = 0;
  nextReinstall(): number {
    this.#reinstall += 1;
    return this.#reinstall;
  }

  install({ facts }: CrashServer, { installer }: { installer?: keyof typeof installers } = {}) {
    return execa(join(process.cwd(), "bin", "clawdlets"), ["install", "--host", this.demo.host], {
      cwd: this.demo.layout.root,
      env: { ...this.#environment, CLAWDLETS_FACTS: facts, ...this.#installerEnv(installer) },
      reject: false,
      all: true,
    });
  }

  readonly report = ({ id }: CrashServer): Promise<ServerReport> => this.#reportOf(id);

  async #reportOf(id: number): Promise<ServerReport> {
    const found = (await this.demo.report()).servers.find((each) => each.id === id);
    return found ?? Promise.reject(new Error(`the emulator has no server ${id}`));
  }

  get journal() {
    return readJournal(hostLayoutOf(this.demo.layout, this.demo.host).journal);
  }

  /** A killed process's lock counts as abandoned after ten seconds; these are over now. */
  ageLocks(): void {
    const lock = `${hostLayoutOf(this.demo.layout, this.demo.host).lock}.lock`;
    if (existsSync(lock)) utimesSync(lock, new Date(0), new Date(0));
  }

  async isClosed({ address }: CrashServer): Promise<boolean> {
    return (await probePort(address, this.demo.sshPort, { timeoutMs: 2000 })) === "refused";
  }

  async windows(): Promise<number> {
    return (await this.api("GET", "/firewalls?label_selector=clawdlets-window")).firewalls.length;
  }
}
