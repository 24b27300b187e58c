import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import type { SshRoute } from "../../../core/host/reach/ssh.ts";
import { temporaryFolder } from "../../_project.ts";
import { enough } from "../_host.ts";
import { evaluate } from "../_nix.ts";
import { Relay } from "./_relay.ts";
import { SystemdMachine } from "./_systemd-machine.ts";

interface Unit {
  description: string;
  requires: string[];
  wants: string[];
  after: string[];
}
interface FirstBoot {
  generator: string;
  target: Unit;
  service: Unit & { script: string; unitConfig: Record<string, string>; serviceConfig: Record<string, string> };
  timers: Record<string, { wantedBy: string[] }>;
}

const address = "10.9.8.7";
export const systemPath = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system";

/** Of nixpkgs' ruleset only the chains are the same: the loopback interface stands for the public one. */
const ruleset = `table inet nixos-fw {
  chain input {
    type filter hook input priority filter; policy drop;
    ip daddr 169.254.169.254 accept
    ct state vmap { invalid : drop, established : accept, related : accept, new : jump input-allow, untracked : jump input-allow }
  }
  chain input-allow {
  }
}
`;

const lines = (values: Record<string, unknown>) =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${String(value)}\n`)
    .join("");
const unitSection = ({ description, requires, wants, after }: Unit) =>
  `[Unit]\nDescription=${description}\nRequires=${requires.join(" ")}\nWants=${wants.join(" ")}\nAfter=${after.join(" ")}\n`;

/** Store paths of the module's programs, which are Debian's here. */
const withoutStore = (text: string) => text.replaceAll(/\/nix\/store\/0{32}-[\w-]+\/bin\//g, "/usr/bin/");

async function firstBootOf(): Promise<FirstBoot> {
  const host = `(import ./test/nix/eval/host.nix { modules = [ (${enough}) ]; }).config.systemd`;
  // The generator is a file of the store; its text is what is written there.
  const pkgs = "import ./test/nix/eval/pkgs.nix // { writeShellScript = _: text: text; }";
  const generator = `(import ./nix/modules/image.nix { pkgs = ${pkgs}; }).config.systemd.generators.clawdlets-first-boot`;
  const wanted = `{ generator = ${generator}; target = targets.clawdlets-first-boot; service = services.clawdlets-first-boot; inherit timers; }`;
  return (await evaluate(`with ${host}; ${wanted}`)) as FirstBoot;
}

/**
 * A server from a baked snapshot: nix/modules/image.nix under a real systemd, with real nft, sshd and curl. Stand-ins are the metadata
 * service (Python's web server), and the other services of a host, which only note that they were started.
 */
export class BakedHost {
  readonly folder = temporaryFolder();
  readonly machine = new SystemdMachine(
    this.folder,
    `ip address add 169.254.169.254/32 dev lo; ip address add ${address}/32 dev lo
mkdir -p run/sshd nix/var/nix/profiles etc/ssh
ln -s system-1-link nix/var/nix/profiles/system; ln -s ${systemPath} nix/var/nix/profiles/system-1-link
mount --bind '${this.folder}/ssh' etc/ssh`,
  );
  readonly network = new Relay(() => this.machine.inItsNetwork(), address);

  put(path: string, text: string): string {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Lays out what the module makes, and other services that note that they were started. */
  async lay(): Promise<void> {
    const { generator, target, service, timers } = await firstBootOf();
    mkdirSync(join(this.folder, "ssh"), { recursive: true });
    this.put("etc/passwd", "root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n");
    this.put("etc/group", "root:x:0:\nnogroup:x:65534:\n");
    this.put("etc/shadow", "root:!:19000::::::\n");
    this.put("var/lib/clawdlets/image", "web-1\n");
    const units = "etc/systemd/system";
    const file = this.put(
      "etc/systemd/system-generators/clawdlets-first-boot",
      `#!/bin/sh\n${withoutStore(generator)}`,
    );
    chmodSync(file, 0o755);
    this.put(`${units}/clawdlets-first-boot.target`, unitSection(target));
    const script = this.put("first-boot.sh", `#!/bin/bash\n${service.script}`);
    const environment = "Environment=SSHD=/usr/sbin/sshd PATH=/usr/sbin:/usr/bin";
    this.put(
      `${units}/clawdlets-first-boot.service`,
      `${unitSection(service)}${lines(service.unitConfig)}[Service]\n${lines(service.serviceConfig)}${environment}\nExecStart=/bin/bash ${script}\n`,
    );
    this.put("ruleset", ruleset);
    this.#service("nftables", "", `/usr/sbin/nft -f ${this.folder}/ruleset`);
    this.put(`${units}/network-online.target`, "[Unit]\nWants=metadata.service\nAfter=metadata.service\n");
    mkdirSync(join(this.folder, "web/hetzner/v1"), { recursive: true });
    this.put(
      `${units}/metadata.service`,
      `[Service]\nExecStart=/usr/bin/python3 -m http.server --bind 169.254.169.254 --directory ${this.folder}/web 80\n`,
    );
    symlinkSync("multi-user.target", join(this.folder, units, "default.target"));
    for (const name of ["bot", "sshd", "tailscaled"]) this.#service(name, "multi-user.target");
    for (const [name, { wantedBy }] of Object.entries(timers)) {
      this.#service(name, "");
      this.put(`${units}/${name}.timer`, "[Timer]\nOnBootSec=1s\nAccuracySec=1ms\n");
      for (const each of wantedBy) this.#wantedBy(each, `${name}.timer`);
    }
    this.put("started", "");
  }

  #service(name: string, target: string, command = "/bin/true"): void {
    const start = `/bin/sh -c '${command} && echo ${name} >>${this.folder}/started'`;
    this.put(
      `etc/systemd/system/${name}.service`,
      `[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=${start}\n`,
    );
    if (target !== "") this.#wantedBy(target, `${name}.service`);
  }

  #wantedBy(target: string, unit: string): void {
    const folder = join(this.folder, "etc/systemd/system", `${target}.wants`);
    mkdirSync(folder, { recursive: true });
    symlinkSync(`../${unit}`, join(folder, unit));
  }

  /** The services that have started since {@link forget}. */
  get started(): string[] {
    return readFileSync(join(this.folder, "started"), "utf8").split("\n").filter(Boolean);
  }

  forget(): void {
    this.put("started", "");
  }

  /** What the metadata service says. */
  serveUserData(text: string): void {
    this.put("web/hetzner/v1/userdata", text);
  }

  /** Makes the firewall fail to start. */
  breakFirewall(): void {
    this.put("ruleset", "table inet nixos-fw {");
  }

  /** Root's way in, from outside of the machine. */
  route(identity: string, hostKey: string): SshRoute {
    const knownHosts = this.put("known", `web-1 ${hostKey}\n`);
    const { address: at, port } = this.network.address;
    return { address: at, port, user: "root", alias: "web-1", knownHosts, identity };
  }
}

export async function keyPair(folder: string, name: string) {
  const file = join(folder, name);
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file]);
  return { file, private: readFileSync(file, "utf8"), public: readFileSync(`${file}.pub`, "utf8").trim() };
}
