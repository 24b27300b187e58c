import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import type { SshRoute } from "../../../core/host/reach/ssh.ts";
import { enough, host as evaluatedHost } from "../_host.ts";
import { evaluate } from "../_nix.ts";
import { quoted } from "../_private-machine.ts";
import { ActivatingScript, script } from "../activation/_activating-script.ts";
import { Relay } from "./_relay.ts";
import { SystemdMachine } from "./_systemd-machine.ts";

/** What a system's configuration breaks: sshd that does not start or lets nobody in, a firewall, a tailnet likewise. */
export type Break = "sshd-start" | "sshd-login" | "firewall" | "tailnet-start" | "tailnet-login" | "health";

const sw = "/run/current-system/sw/bin";
const watch = "clawdlets-activation-watch";
const tailnetAddress = "100.64.0.1";

/**
 * A host under a real systemd, reached by real ssh at its tailnet's interface: the real script, wrapped as nix/lib/wrapper.nix
 * does, our sudoers, sshd_config and watching units, real sshd, sudo and nft. Stand-ins are nix, nix-env and nix-store;
 * `tailscaled.service`, which brings up an interface; and `switch-to-configuration`, which does to the service manager what
 * NixOS' does.
 */
export class SystemdHost {
  readonly script: ActivatingScript;
  readonly machine: SystemdMachine;
  readonly network: Relay;

  /** @param atEnd of the test's context @param more lines of sudoers @param keys that it trusts */
  static async open(
    atEnd: (work: () => Promise<void>) => void,
    more = "",
    keys: readonly string[] = [],
  ): Promise<SystemdHost> {
    const host = new SystemdHost(await ActivatingScript.open(atEnd));
    host.script.trust(keys);
    atEnd(async () => {
      await host.network.close();
      await host.machine.losePower();
    });
    await host.#lay(more);
    await host.machine.boot(host.script.bootId());
    await host.network.listen();
    return host;
  }

  private constructor(host: ActivatingScript) {
    this.script = host;
    this.machine = new SystemdMachine(
      host.folder,
      `ln -s '${host.folder}/run/current-system' run/current-system; ln -s current-system/etc run/configuration; hostname web-1`,
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

  /** Power is lost, and comes back. */
  async reboot(): Promise<void> {
    await this.machine.losePower();
    this.script.nextBoot();
    await this.machine.boot(this.script.bootId());
  }

  /** What systemd and the detached run have said. */
  get journal(): string {
    return this.script.exists("journal") ? this.script.read("journal") : "";
  }

  #sshdConfig = "";

  /** nixpkgs' switch-to-configuration: stops what has changed, reexecutes and reloads the manager, starts; 4 when a unit fails. */
  #furnish(name: string, breaks: readonly Break[], lines = ""): void {
    const { folder } = this.script;
    const at = `${folder}/store/${name}`;
    const put = (path: string, text: string) => this.script.write(`store/${name}/${path}`, text);
    put(
      "bin/switch-to-configuration",
      `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo "${name} $1" >>'${folder}/log'
mkdir -p /run/nixos && chmod 755 /run/nixos && exec 5>>/run/nixos/switch-to-configuration.lock
flock --nonblock 5 || { echo "Could not acquire lock" >&2; exit 1; }
[ "$1" = switch ] || exit 0
systemctl stop sshd.service tailscaled.service
${lines}
ln -sfn '${at}/etc' /run/configuration
systemctl daemon-reexec
systemctl daemon-reload
ln -sfn '${at}' '${folder}/run/current-system'
systemctl restart nftables.service
systemctl start tailscaled.service sshd.service || exit 4
`,
    );
    chmodSync(join(at, "bin/switch-to-configuration"), 0o755);
    const sshd = breaks.includes("sshd-start") ? "NoSuchSetting yes\n" : "";
    put("etc/sshd_config", `${sshd}${breaks.includes("sshd-login") ? "DenyUsers admin\n" : ""}${this.#sshdConfig}`);
    const drop = breaks.includes("firewall") ? "tcp dport 22 drop" : "";
    put(
      "etc/nftables.conf",
      `flush ruleset\ntable inet t {\nchain i {\ntype filter hook input priority 0\n${drop}\n}\n}\n`,
    );
    const tailnet = breaks.includes("tailnet-start") ? "fails" : breaks.includes("tailnet-login") ? "logged-out" : "up";
    put("etc/tailscaled", tailnet);
    put("etc/clawdlets/health-commands", breaks.includes("health") ? "systemctl is-active --quiet no.service\n" : "");
    mkdirSync(join(at, "sw/bin"), { recursive: true });
    symlinkSync(join(folder, "self"), join(at, "sw/bin/clawdlets-activate"));
  }

  async #lay(more: string): Promise<void> {
    const [sudoers, sshd, { config }] = await Promise.all([
      evaluate(`(import ./nix/lib/sudoers.nix).file { bots = [ ]; rebuild = true; }`),
      evaluate("(import ./nix/lib/sshd.nix).configFile { }"),
      evaluatedHost(enough, '{ clawdlets.operator.rebuild = { enable = true; flakeBase = "github:you/hosts"; }; }'),
    ]);
    const keys = "HostKey /etc/ssh/ssh_host_ed25519_key\nAuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n";
    this.#sshdConfig = `${keys}${String(sshd)}`;
    this.#furnish("former", []);
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

  async #users(sudoers: string): Promise<void> {
    const { folder } = this.script;
    await Promise.all(
      ["host", "client"].map((name) =>
        execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]),
      ),
    );
    const key = (name: string) => this.script.read(name);
    this.#etc("passwd", "root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run:/bin/false\nadmin:x:1000:100::/:/bin/sh\n");
    this.#etc("group", "root:x:0:\nusers:x:100:\nnogroup:x:65534:\n");
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
    const { LOCKS: _locks, SWITCH_LOCK: _switchLock, ...told } = this.script.env; // The machine's own.
    const env = { ...told, SELF: `${sw}/clawdlets-activate`, VITAL_UNITS: vital };
    const exports = Object.entries(env).map(([key, value]) => `export ${key}=${quoted(value)}\n`);
    const keep = `case "$*" in run|watch) exec >>'${this.script.folder}/journal' 2>&1 ;; esac`;
    const file = join(this.script.folder, "self");
    copyFileSync(script, join(this.script.folder, "activate.sh"));
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
