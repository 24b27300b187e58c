import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { type Demo, prepareDemo } from "../../../../cli/demo/prepare.ts";
import { mintedMark } from "../../../../core/project/secrets/plan.ts";
import { readEnvFile } from "../../../../core/project/settings/env-file.ts";
import { addToStackFile } from "../../../../core/project/settings/stack-file.ts";
import { repository } from "../../../_repository.ts";
import { controlUrl } from "../_control.ts";
import type { Machine, TailnetLab } from "../_lab.ts";
import { ApiDoor } from "./_api-door.ts";

/** What `tailnet status --json` says, as far as it is needed here. */
export interface Shown {
  client: { ok: boolean };
  machines: { name: string; online: boolean; isHost?: boolean; tags: string[] }[];
  recorded?: { id: string; device?: { name: string }; problem?: string };
  left: unknown[];
}

interface Setup {
  lab: TailnetLab;
  /** For the project, and the emulator's data. */
  folder: string;
  /** For `.clawdlets/.env`, besides what the emulator needs. */
  credentials: Record<string, string>;
  onMinted: (key: string) => Promise<void>;
}

/** A person with a project, and a tailscale of their own that has no tunnel device. */
export class Operator {
  readonly demo: Demo;
  readonly door: ApiDoor;
  /** All that the commands printed. */
  readonly printed: string[] = [];
  readonly states: string[] = [];
  readonly #lab: TailnetLab;

  private constructor(lab: TailnetLab, door: ApiDoor, demo: Demo) {
    this.#lab = lab;
    this.door = door;
    this.demo = demo;
  }

  static async start({ lab, folder, credentials, onMinted }: Setup): Promise<Operator> {
    const machine = await lab.machine("operator", "--tun=userspace-networking");
    await machine.joined();
    const door = await ApiDoor.start(lab, onMinted);
    const passwordHash = `$6$canary$${"0123456789".repeat(9).slice(0, 86)}`;
    const demo = await prepareDemo(() => undefined, {
      root: join(folder, "project"),
      data: join(folder, "emulator"),
      values: { admin_password_hash: passwordHash, tailscale_auth_key: mintedMark },
    });
    const settings = { tailnet: "headscale", tailnetLoginServer: controlUrl };
    await addToStackFile(demo.layout, demo.host, settings, ["tailnet", "tailnetLoginServer"]);
    setVariables(demo, machine, credentials);
    return new Operator(lab, door, demo);
  }

  async stop(): Promise<void> {
    await this.demo.close();
    await this.door.stop();
  }

  /** Runs a command in a process of its own, on a machine whose /etc/hosts knows the control server. */
  async run(...args: string[]) {
    const mounted = ["--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', this.door.hostsFile];
    const command = [process.execPath, join(repository, "bin", "clawdlets.mjs"), ...args];
    const ended = await execa("unshare", [...mounted, ...command], {
      cwd: this.demo.layout.root,
      env: { NODE_EXTRA_CA_CERTS: join(this.#lab.folder, "ca.pem") },
      input: "",
      reject: false,
      all: true,
    });
    this.printed.push(ended.all);
    return ended;
  }

  /** @throws Error with all that it printed, unless it succeeds */
  async succeed(...args: string[]): Promise<void> {
    const { exitCode, all } = await this.run(...args);
    if (exitCode !== 0) throw new Error(`clawdlets ${args.join(" ")} ended with ${exitCode}: ${all}`);
  }

  /** Whether `clawdlets ssh` gets in. */
  async reaches(): Promise<boolean> {
    return (await this.run("ssh", this.demo.host, "--", "true")).exitCode === 0;
  }

  /** Takes the power from the emulated machine, and gives it back. */
  async powerCycle(serverId: number): Promise<void> {
    const { HCLOUD_ENDPOINT: endpoint, HCLOUD_TOKEN: token } = readEnvFile(this.demo.layout, {}).value;
    for (const verb of ["power-cut", "power-on"]) {
      const url = new URL(`/_emulator/servers/${serverId}/${verb}`, endpoint);
      const response = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${token}` } });
      if (response.status !== 204) throw new Error(`${verb}: ${response.status} ${await response.text()}`);
    }
  }

  async status(when: string): Promise<Shown> {
    const { stdout, all } = await this.run("tailnet", "status", "--host", this.demo.host, "--json");
    if (!stdout.startsWith("{")) throw new Error(`clawdlets tailnet status: ${all}`);
    const shown = JSON.parse(stdout) as Shown;
    this.states.push(`${when}: ${inWords(shown)}`);
    return shown;
  }
}

function setVariables({ layout }: Demo, { tailscale }: Machine, credentials: Record<string, string>): void {
  const file = join(layout.dir, ".env");
  const others = readFileSync(file, "utf8").replace(/^CLAWDLETS_TAILSCALE=.*\n/m, "");
  const own = Object.entries({ CLAWDLETS_TAILSCALE: tailscale, ...credentials });
  writeFileSync(file, `${others}${own.map(([key, value]) => `${key}="${value}"\n`).join("")}`);
}

function inWords({ client, machines, recorded }: Shown): string {
  const named = machines.map(({ name, online, isHost }) => {
    const answer = isHost === undefined ? "is silent" : `has ${isHost ? "the pinned" : "another"} key`;
    return `${name} is ${online ? "online" : "offline"} and ${answer}`;
  });
  const device = recorded?.device ? `device ${recorded.id}` : (recorded?.problem ?? "no device recorded");
  return [client.ok ? "client ok" : "client not ok", ...named, device].join("; ");
}
