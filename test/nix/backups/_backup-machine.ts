import { createHash, randomUUID } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { type BackupState, parseBackups } from "../../../core/host/facts/backups.ts";
import { repository } from "../../_repository.ts";
import { commandText, enough, host } from "../_host.ts";
import { exchangeShim } from "../secrets/_script-host.ts";
import { SystemdMachine } from "../systemd/_systemd-machine.ts";

/** Real public addresses on purpose: the policy judges them, and no packet leaves the namespaces. */
const bucketAt = "93.184.216.34";
export const otherAt = "151.101.1.1";
const ownAddress = "45.67.89.2";
const keys = { access: "backups", secret: "canary-s3-secret-0123456789" };
const login = { user: "web-1", password: "canary-rest-password-0123456789" };
const password = "canary-restic-password-0123456789";
export const uids = { maren: 45_584, rex: 45_585 } as const;
/** The servers that a repository can be on, and the secret part of their logins. */
const servers = {
  s3: {
    settings: 'repository = "s3:https://s3.provider.example:8443/backups/web-1"; region = "nbg1";',
    secret: keys.secret,
    file: `printf '[default]\\naws_access_key_id=${keys.access}\\naws_secret_access_key=${keys.secret}\\n' >run/secrets/rendered/clawdlets-backup-s3`,
    start: (program: string) =>
      `--setenv=ROOT_ACCESS_KEY=${keys.access} --setenv=ROOT_SECRET_KEY=${keys.secret} ${program} --port ${bucketAt}:8443 \\
         --region nbg1 --cert /etc/tls/cert.pem --key /etc/tls/key.pem posix /run/bucket`,
  },
  rest: {
    settings: 'repository = "rest:https://s3.provider.example:8443/web-1";',
    secret: login.password,
    file: `echo 'rest:https://${login.user}:${login.password}@s3.provider.example:8443/web-1' >run/secrets/rendered/clawdlets-backup-rest`,
    start: (program: string) =>
      `${program} --listen ${bucketAt}:8443 --tls --tls-cert /etc/tls/cert.pem --tls-key /etc/tls/key.pem \\
         --htpasswd-file /etc/tls/htpasswd --private-repos --path /run/bucket`,
  },
} as const;
export type ServerKind = keyof typeof servers;

const settingsFor = (kind: ServerKind) => `{ clawdlets = { backups = { ${servers[kind].settings} };
  bots = { maren = { command = "/usr/bin/sleep infinity"; uid = ${uids.maren}; }; rex = { command = "/usr/bin/sleep infinity"; uid = ${uids.rex}; }; }; }; }`;
/** Each unit that the module makes; those of templates with their instances below. */
const units = [
  "clawdlets-backup",
  "clawdlets-backup-check",
  "clawdlets-backup-proxy",
  "clawdlets-backup-repository@",
  "clawdlets-backup@",
  "clawdlets-restore",
  "clawdlets-restore@",
] as const;

interface Unit {
  serviceConfig: Record<string, unknown>;
  unitConfig: Record<string, unknown>;
  environment: Record<string, string>;
  requires: string[];
  after: string[];
}

/**
 * A real systemd with the units of nix/modules/backups.nix, the real restic, the real rules of nftables, the real proxy, and a real S3
 * server or restic's own with TLS in another network namespace.
 */
export class BackupMachine {
  readonly machine: SystemdMachine;
  readonly #folder: string;
  readonly #kind: ServerKind;
  readonly #program: string;

  /** @param program versitygw, or rest-server */
  constructor(folder: string, kind: ServerKind, program: string) {
    this.#folder = folder;
    this.#kind = kind;
    this.#program = program;
    const homes = Object.entries(uids).map(
      ([bot, uid]) =>
        `mkdir -p ./srv/clawdbot/${bot} && chown ${uid}:${uid} ./srv/clawdbot/${bot} && chmod 700 ./srv/clawdbot/${bot}`,
    );
    const steps = [
      "mkdir -p run/secrets/rendered && chmod 700 run/secrets",
      `echo ${password} >run/secrets/restic_password`,
      servers[kind].file,
      "chmod 400 run/secrets/restic_password run/secrets/rendered/*",
      "echo host-secret-canary >etc/shadow && chmod 600 etc/shadow",
      ...homes,
      `ip link add uplink type veth peer name internet && ip addr add ${ownAddress}/24 dev uplink && ip link set uplink up`,
    ];
    this.machine = new SystemdMachine(folder, steps.join("\n"));
  }

  async boot(): Promise<void> {
    await this.#lay();
    await this.machine.boot(randomUUID());
    await this.must(
      `ip netns add internet && ip link set internet netns internet
       ip -n internet link set lo up && ip -n internet link set internet up
       for at in 45.67.89.1/24 ${bucketAt}/32 ${otherAt}/32; do ip -n internet addr add $at dev internet; done
       ip route add default via 45.67.89.1
       mkdir -p /run/clawdlets-backups /var/lib/clawdlets/backups /var/lib/sops-nix /run/bucket/backups && chmod 700 /run/clawdlets-backups
       echo canary >/var/lib/sops-nix/key.txt
       systemctl start nftables clawdbot-maren clawdbot-rex`,
    );
    await this.startBucket();
  }

  get secrets(): string[] {
    return [password, servers[this.#kind].secret];
  }

  /** The server, with its files in memory. */
  async startBucket(): Promise<void> {
    const command = servers[this.#kind].start(`${this.#folder}/repository-server`);
    await this.must(
      `systemd-run --quiet --unit=bucket -p NetworkNamespacePath=/run/netns/internet ${command}
       until ip netns exec internet ss -ltn | grep -q :8443; do :; done`,
    );
  }

  async order(line: string) {
    return await this.machine.run("sh", "-c", `printf '%s\\n' '${line}' | /etc/bin/clawdlets-backup`);
  }

  async state(): Promise<BackupState> {
    const text = await this.must("cat /var/lib/clawdlets/backups/state.json");
    const state = parseBackups(text);
    if (!state) throw new Error(text);
    return state;
  }

  /** Waits until no backup and no restore runs. */
  async settled(): Promise<BackupState> {
    await this.must(`for unit in clawdlets-backup clawdlets-restore clawdlets-backup-check; do
      while systemctl is-active --quiet $unit || [ "$(systemctl show --value --property=ActiveState $unit)" = activating ]; do sleep 0.2; done
    done`);
    return await this.state();
  }

  /** Shell lines as root. @throws Error with what they said */
  async must(lines: string): Promise<string> {
    const { exitCode, all } = await this.machine.run("sh", "-euc", lines);
    if (exitCode !== 0) throw new Error(`${lines}\nfailed: ${all}`);
    return all;
  }

  /** Runs lines of bash in a unit of restic's, in its place. @returns what they printed */
  async instead(unit: string, lines: string): Promise<string> {
    this.#put("etc/bin/probe", `${lines}\n`);
    const [template] = unit.split("@");
    await this.must(`mkdir -p /run/systemd/system/${template}@.service.d
      printf '[Service]\nExecStart=\nExecStart=/bin/bash /etc/probe\n' >/run/systemd/system/${template}@.service.d/probe.conf
      cp ${this.#folder}/etc/bin/probe /etc/probe && systemctl daemon-reload && systemctl start ${unit}`);
    const printed = await this.must(`cat /run/clawdlets-backups/${unit.split("@")[1]}.out`);
    await this.must(`rm /run/systemd/system/${template}@.service.d/probe.conf && systemctl daemon-reload`);
    return printed;
  }

  /** All that the units printed. */
  async logs(): Promise<string> {
    return (await this.machine.run("sh", "-c", "cat /run/unit.log")).all;
  }

  async contentOf(bot: string): Promise<string> {
    return await this.must(`cd /srv/clawdbot/${bot} && find . -printf '%p %y %m %U %G %n %T+ %l\\n' | sort
      find . -type f -exec sha256sum {} + | sort`);
  }

  #put(path: string, text: string, mode = 0o644): void {
    const file = join(this.#folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode });
    chmodSync(file, mode);
  }

  async #lay(): Promise<void> {
    copyFileSync(this.#program, join(this.#folder, "repository-server"));
    chmodSync(join(this.#folder, "repository-server"), 0o755);
    const settings = settingsFor(this.#kind);
    const users = [
      ...Object.entries(uids).map(([bot, uid]) => ({ user: `bot-${bot}`, uid })),
      { user: "clawdlets-backup", uid: 30_998 },
      { user: "clawdlets-backup-proxy", uid: 30_997 },
    ];
    const lines = (make: (user: string, uid: number) => string) =>
      users.map(({ user, uid }) => make(user, uid)).join("");
    this.#put(
      "etc/passwd",
      `root:x:0:0::/root:/bin/sh\n${lines((user, uid) => `${user}:x:${uid}:${uid}::/:/bin/sh\n`)}`,
    );
    this.#put("etc/group", `root:x:0:\nnogroup:x:65534:\n${lines((user, uid) => `${user}:x:${uid}:\n`)}`);
    this.#put("etc/hosts", `127.0.0.1 localhost\n${bucketAt} s3.provider.example\n${otherAt} other.example\n`);
    await this.#certificate();
    const hash = createHash("sha1").update(login.password).digest("base64");
    this.#put("etc/tls/htpasswd", `${login.user}:{SHA}${hash}\n`);
    const { config, refused } = await host(enough, settings);
    if (refused.length > 0) throw new Error(refused.join("\n"));
    const table = config.networking.nftables.tables["clawdlets-egress"].content;
    this.#put("etc/egress.nft", `table inet clawdlets-egress {\n${table}\n}\n`);
    for (const file of ["backup-excludes", "backup-proxy/filter", "backup-proxy/tinyproxy.conf"]) {
      this.#put(`etc/clawdlets/${file}`, config.environment.etc[`clawdlets/${file}`].text);
    }
    this.#put(
      "etc/systemd/system/nftables.service",
      "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/nft -f /etc/egress.nft\n",
    );
    for (const bot of Object.keys(uids)) {
      this.#put(
        `etc/systemd/system/clawdbot-${bot}.service`,
        `[Service]\nUser=bot-${bot}\nExecStart=/bin/sh -c '! grep -q broken /srv/clawdbot/${bot}/state && exec sleep infinity'\n`,
      );
    }
    for (const name of units) this.#unit(name, config.systemd.services[name]);
    const text = await commandText("clawdlets-backup", enough, settings);
    this.#put("etc/bin/lib/refuse.sh", readFileSync(join(repository, "nix/host/lib/refuse.sh"), "utf8"));
    this.#wrapper("clawdlets-backup", "backup.sh", text);
    this.#wrapper("clawdlets-restic", "restic.sh", 'export PATH=\nexec /bin/bash restic.sh "$@"\n');
    const shim = await exchangeShim();
    if (shim !== null)
      this.#put("etc/bin/mv", `#!/bin/bash\n${shim.replace(/exec \S*python\S*/, "exec /usr/bin/python3")}\n`, 0o755);
  }

  /** As nix/lib/wrapper.nix makes it, with this machine's programs. */
  #wrapper(name: string, script: string, text: string): void {
    this.#put(`etc/bin/${script}`, readFileSync(join(repository, "nix/host", script), "utf8"));
    const own = text
      .replace(
        /^export PATH=.*$/m,
        "export PATH=/etc/bin:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE=/etc/tls/cert.pem",
      )
      .replace(/exec \S+\/bash \S+/, `exec bash /etc/bin/${script}`);
    this.#put(`etc/bin/${name}`, `#!/bin/bash\n${own}`, 0o755);
  }

  #unit(name: string, unit: Unit): void {
    const words = (value: unknown): string => (value === true ? "yes" : value === false ? "no" : String(value));
    const section = (title: string, entries: Record<string, unknown>) =>
      `[${title}]\n${Object.entries(entries)
        .flatMap(([key, value]) => [value].flat().map((each) => `${key}=${words(each)}\n`))
        .join("")}`;
    // Not its low priority: on a busy machine that takes minutes.
    const { ExecStart, Nice, CPUWeight, IOWeight, IOSchedulingClass, ...service } = unit.serviceConfig;
    const program = String(ExecStart)
      .replace(/^\S+\/bin\/(clawdlets-\S+)/, "/etc/bin/$1")
      .replace(/^\S+\/bin\/tinyproxy/, "/usr/bin/tinyproxy");
    const output = "StandardOutput" in service ? {} : { StandardOutput: "append:/run/unit.log" };
    this.#put(
      `etc/systemd/system/${name}.service`,
      section("Unit", { Requires: unit.requires, After: unit.after, ...unit.unitConfig }) +
        section("Service", {
          ...service,
          ...output,
          StandardError: "append:/run/unit.log",
          Environment: Object.entries(unit.environment).map(([key, value]) => `"${key}=${value}"`),
          ExecStart: program,
        }),
    );
  }

  async #certificate(): Promise<void> {
    const folder = join(this.#folder, "etc/tls");
    mkdirSync(folder, { recursive: true });
    const subject = ["-subj", "/CN=s3.provider.example", "-addext", "subjectAltName=DNS:s3.provider.example"];
    const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
    await execa("openssl", [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "2",
      ...subject,
      ...files,
    ]);
    chmodSync(join(folder, "key.pem"), 0o600);
  }
}
