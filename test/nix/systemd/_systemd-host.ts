import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import type { SshRoute } from "../../../core/host/reach/ssh.ts";
import { enough, host as evaluatedHost } from "../_host.ts";
import { evaluate } from "../_nix.ts";
import { quoted } from "../_private-machine.ts";
import { ActivatingScript, script } from "../activation/_activating-script.ts";
import { addToStore, nixConf, receiverIn } from "./_real-nix.ts";
import { Relay } from "./_relay.ts";
import { type Break, type SystemFiles, systemFiles } from "./_system-files.ts";
import { SystemdMachine } from "./_systemd-machine.ts";

export type { Break };

export interface SystemdHostOptions {
  /** Further lines of sudoers. */
  more?: string;
  /** Public keys of systems that it trusts. @default none */
  keys?: readonly string[];
  /** With the real nix, a store of its own, and a receiver of copies, instead of the stand-ins. @default false */
  realNix?: boolean;
}

const sw = "/run/current-system/sw/bin";
const watch = "clawdlets-activation-watch";
const tailnetAddress = "100.64.0.1";

/**
 * A host under a real systemd, reached by real ssh at its tailnet's interface: the real script, wrapped as nix/lib/wrapper.nix
 * does, our sudoers, sshd_config and watching units, real sshd, sudo and nft. Stand-ins are nix, nix-env and nix-store, unless
 * `realNix` is set; `tailscaled.service`, which brings up an interface; the boot loader, which is a file; and
 * `switch-to-configuration`, which does to the service manager what NixOS' does.
 */
export class SystemdHost {
  readonly script: ActivatingScript;
  readonly machine: SystemdMachine;
  readonly network: Relay;

  /** The system that it starts with. */
  former: string;

  /** @param atEnd of the test's context */
  static async open(
    atEnd: (work: () => Promise<void>) => void,
    { more = "", keys = [], realNix = false }: SystemdHostOptions = {},
  ): Promise<SystemdHost> {
    const host = new SystemdHost(await ActivatingScript.open(atEnd), realNix);
    host.script.trust(keys);
    atEnd(async () => {
      await host.network.close();
      await host.machine.losePower();
    });
    await host.#lay(more, keys);
    await host.machine.boot(host.script.bootId());
    await host.network.listen();
    return host;
  }

  readonly #realNix: boolean;

  private constructor(host: ActivatingScript, realNix: boolean) {
    this.script = host;
    this.former = host.former;
    this.#realNix = realNix;
    const nix = realNix ? `mount --bind '${host.folder}/disk/nix' nix; ` : "";
    this.machine = new SystemdMachine(
      host.folder,
      `${nix}ln -s '${host.folder}/run/current-system' run/current-system; ln -s current-system/etc run/configuration; hostname web-1`,
    );
    this.network = new Relay(() => this.machine.inItsNetwork(), tailnetAddress);
  }

  /** How the operator gets in, over the pinned key. */
  get route(): SshRoute {
    const at = (name: string) => join(this.script.folder, name);
    const { address, port } = this.network.address;
    return { address, port, user: "admin", alias: "web-1", knownHosts: at("known_hosts"), identity: at("client") };
  }

  /** A commit whose system breaks these. @param lines of its `switch-to-configuration`, once it has switched half */
  async commit(name: string, breaks: readonly Break[] = [], lines = ""): Promise<string> {
    this.script.system(name, {});
    this.#furnish(name, breaks, lines);
    return await this.script.commitOf(name);
  }

  /** A system like that of {@link commit}, which was copied here with a signature on each of its paths. @returns its path */
  push(name: string, breaks: readonly Break[] = [], lines = ""): string {
    this.script.system(name, {});
    this.#furnish(name, breaks, lines);
    this.script.write(`store/${name}/signed`, "");
    return join(this.script.folder, "store", name);
  }

  /** The parts of a system for this host, wherever it is built. */
  filesOf(name: string, breaks: readonly Break[] = [], lines = ""): SystemFiles {
    return systemFiles({ name, folder: this.script.folder, sshdConfig: this.#sshdConfig, breaks, lines });
  }

  /** What its boot loader starts. */
  get bootDefault(): string {
    return this.script.exists("boot-default") ? this.script.read("boot-default").trim() : this.former;
  }

  /** Power is lost, and comes back. */
  async reboot(): Promise<void> {
    await this.machine.losePower();
    this.script.nextBoot(this.bootDefault);
    await this.machine.boot(this.script.bootId());
  }

  /** What systemd and the detached run have said. */
  get journal(): string {
    return this.script.exists("journal") ? this.script.read("journal") : "";
  }

  #sshdConfig = "";

  #furnish(name: string, breaks: readonly Break[], lines = ""): void {
    const { files, links } = this.filesOf(name, breaks, lines);
    for (const [path, text] of Object.entries(files)) {
      this.script.write(`store/${name}/${path}`, text);
      if (path.startsWith("bin/")) chmodSync(join(this.script.folder, "store", name, path), 0o755);
    }
    for (const [path, target] of Object.entries(links)) {
      const link = join(this.script.folder, "store", name, path);
      mkdirSync(dirname(link), { recursive: true });
      if (!existsSync(link)) symlinkSync(target, link); // The script's own systems have some.
    }
  }

  async #lay(more: string, keys: readonly string[]): Promise<void> {
    const [sudoers, sshd, { config }] = await Promise.all([
      evaluate(`(import ./nix/lib/sudoers.nix).file { bots = [ ]; rebuild = true; push = true; }`),
      evaluate("(import ./nix/lib/sshd.nix).configFile { }"),
      evaluatedHost(enough, '{ clawdlets.operator.rebuild = { enable = true; flakeBase = "github:you/hosts"; }; }'),
    ]);
    const files = "HostKey /etc/ssh/ssh_host_ed25519_key\nAuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n";
    this.#sshdConfig = `${files}${String(sshd)}`;
    this.#furnish("former", []);
    if (this.#realNix) await this.#layNix(keys);
    await this.#users(`${String(sudoers)}${more}`);
    this.#units();
    const { services, timers } = config.systemd;
    const own = { ...services[watch].serviceConfig, ExecStart: `${sw}/clawdlets-activate watch` };
    this.#unit(`${watch}.service`, section("Service", own), services[watch].wantedBy);
    const timer = section("Timer", timers[watch].timerConfig).replaceAll("1min", "2s"); // Sooner, so that a test need not wait a minute.
    this.#unit(`${watch}.timer`, timer, timers[watch].wantedBy);
    this.#wrap();
    chmodSync(this.script.folder, 0o755); // Everybody may read the state, as on a host.
  }

  /** Its store has the former system, which is its first generation and what it boots. */
  async #layNix(keys: readonly string[]): Promise<void> {
    const { folder } = this.script;
    this.former = await addToStore(join(folder, "disk"), join(folder, "store/former"));
    this.script.replaceFormer(this.former);
    for (const name of ["nix", "nix-env", "nix-store"]) this.script.withoutStandIn(name);
    this.#etc("nix/nix.conf", nixConf(keys));
    this.#etc("clawdlets/system-keys", keys.map((key) => `${key}\n`).join(""));
    this.#etc("clawdlets/release-floor", "1000\n");
    const socket = "/nix/var/nix/daemon-socket/socket";
    const ready = `ExecStartPost=/bin/sh -c 'until [ -S ${socket} ]; do sleep 0.05; done'\n`;
    this.#unit("nix-daemon.service", `[Service]\nExecStart=/usr/bin/nix-daemon\n${ready}`, ["multi-user.target"]);
    this.script.write("receiver", receiverIn(folder));
    chmodSync(join(folder, "receiver"), 0o755);
  }

  async #users(sudoers: string): Promise<void> {
    const { folder } = this.script;
    await Promise.all(
      ["host", "client"].map((name) =>
        execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]),
      ),
    );
    const key = (name: string) => this.script.read(name);
    const daemon = "daemon:x:1:1::/:/bin/false\n";
    this.#etc(
      "passwd",
      `root:x:0:0::/root:/bin/sh\n${daemon}sshd:x:100:65534::/run:/bin/false\nadmin:x:1000:100::/:/bin/sh\n`,
    );
    this.#etc("group", "root:x:0:\ndaemon:x:1:\nusers:x:100:\nnogroup:x:65534:\n");
    this.#etc("shadow", "root:*:19000::::::\nsshd:*:19000::::::\nadmin:*:19000::::::\n", 0o640);
    this.#etc("hosts", "127.0.0.1 localhost web-1\n");
    this.#etc("hostname", "web-1\n");
    this.#etc("sudoers", `root ALL=(ALL:ALL) ALL\n${sudoers}`, 0o440);
    this.#etc("ssh/ssh_host_ed25519_key", key("host"), 0o600);
    this.#etc("ssh/authorized_keys.d/admin", key("client.pub"));
    this.script.write("known_hosts", `web-1 ${key("host.pub")}`);
    this.#etc(
      "pam.d/sshd",
      "auth required pam_deny.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
    );
  }

  #units(): void {
    const always = ["multi-user.target"];
    const once = "[Service]\nType=oneshot\nRemainAfterExit=yes\n";
    const sshd =
      "ExecStartPre=/bin/mkdir -p /run/sshd\nExecStartPre=/usr/sbin/sshd -t -f /run/configuration/sshd_config\nExecStart=/usr/sbin/sshd -D -f /run/configuration/sshd_config\n";
    const up = `ip link add tailscale0 type bridge && ip addr add ${tailnetAddress}/32 dev tailscale0 && ip link set tailscale0 up`;
    const states = `case $$(cat /run/configuration/tailscaled) in fails) exit 1 ;; up) ${up} ;; esac`;
    const tailscaled = `ExecStart=/bin/sh -c '${states}'\nExecStop=-/bin/ip link del tailscale0\n`;
    this.#unit("nftables.service", `${once}ExecStart=/usr/sbin/nft -f /run/configuration/nftables.conf\n`, always);
    this.#unit("tailscaled.service", `${once}${tailscaled}`, always);
    this.#unit("sshd.service", `[Service]\n${sshd}`, always);
    this.#unit("sops-install-secrets.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n", []);
    this.#unit("clawdlets-secrets.target", "[Unit]\nDescription=Secrets\n", []);
  }

  /** The command as a wrapper makes it, with what it is told by its environment. The detached run's words are kept. */
  #wrap(): void {
    for (const name of ["systemctl", "systemd-run", "date", "sleep", "timeout"]) this.script.withoutStandIn(name);
    const vital = "sshd.service nftables.service tailscaled.service";
    const { LOCKS: _locks, SWITCH_LOCK: _switchLock, STORE, ...told } = this.script.env; // The machine's own.
    const store = this.#realNix ? {} : { STORE };
    const env = { ...told, ...store, SELF: `${sw}/clawdlets-activate`, VITAL_UNITS: vital };
    const exports = Object.entries(env).map(([key, value]) => `export ${key}=${quoted(value ?? "")}\n`);
    const keep = `case "$*" in run|watch) exec >>'${this.script.folder}/journal' 2>&1 ;; esac`;
    const file = join(this.script.folder, "self");
    copyFileSync(script, join(this.script.folder, "activate.sh"));
    cpSync(join(dirname(script), "lib"), join(this.script.folder, "lib"), { recursive: true });
    writeFileSync(
      file,
      `#!/bin/bash\n${exports.join("")}${keep}\nexec bash '${this.script.folder}/activate.sh' "$@"\n`,
    );
    chmodSync(file, 0o755);
    mkdirSync(join(this.script.folder, "var/lib/clawdlets"), { recursive: true });
    symlinkSync(join(this.script.folder, "state"), join(this.script.folder, "var/lib/clawdlets/activation"));
  }

  #etc(path: string, text: string, mode = 0o644): void {
    this.script.write(`etc/${path}`, text);
    chmodSync(join(this.script.folder, "etc", path), mode);
  }

  #unit(name: string, text: string, wantedBy: readonly string[]): void {
    this.#etc(`systemd/system/${name}`, text);
    for (const target of wantedBy) {
      const wants = join(this.script.folder, `etc/systemd/system/${target}.wants`);
      mkdirSync(wants, { recursive: true });
      symlinkSync(`../../${name}`, join(wants, name));
    }
  }
}

const section = (name: string, values: Record<string, unknown>) =>
  `[${name}]\n${Object.entries(values)
    .map(([key, value]) => `${key}=${String(value)}\n`)
    .join("")}`;
