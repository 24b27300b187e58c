import { randomUUID } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { repository } from "../../_repository.ts";
import { evaluate, nixString } from "../_nix.ts";
import { SystemdMachine } from "../systemd/_systemd-machine.ts";
import { answer, ask } from "./_agent.ts";

export const proxyPort = 3128;
/** Where a bot's own proxy listens, as nix/lib/names.nix has it. */
export const proxyAddress = (uid: number) => `127.64.${Math.floor(uid / 256)}.${uid % 256}`;
/** Where the lab's servers are. Real public addresses on purpose: the policy judges them, and no packet leaves the namespaces. */
export const internet = { provider: "93.184.216.34", other: "151.101.1.1", host: "45.67.89.2" } as const;
export const provider = "api.provider.example";

export interface Bot {
  uid: number;
  port: number;
  /** What runs: absolute path and arguments. Without it, an agent that does what the test says. */
  command?: string;
  environment?: Record<string, string>;
  /** How its OpenClaw is started, to be asked by nix/host/ask-openclaw.sh. */
  openclaw?: string;
  /** Names; each has its own name as its value. */
  secrets?: readonly string[];
}

interface Options {
  /** Of which system the programs are. */
  tree: string;
  mode?: "proxy-allowlist" | "smtp-only";
  /** Lines that are laid over every bot's unit, to break it once. */
  dropIn?: string;
  /** Shell lines in the machine's root before it boots. */
  steps?: string;
}

/**
 * A real systemd with bots in their generated units, the real rules of nftables and the real proxy, and an internet of two
 * servers' addresses in a namespace of its own.
 */
export class BotMachine {
  readonly machine: SystemdMachine;
  readonly folder: string;
  readonly #bots: Record<string, Bot>;
  readonly #options: Options;

  constructor(folder: string, bots: Record<string, Bot>, options: Options) {
    this.folder = folder;
    this.#bots = bots;
    this.#options = options;
    this.machine = new SystemdMachine(folder, [this.#steps(), options.steps ?? ""].join("\n"), options.tree);
  }

  /** Boots it, up to the proxy. Bots are started by `start`. */
  async boot(): Promise<void> {
    await this.#lay();
    await this.machine.boot(randomUUID());
    await this.must(
      `ip netns add internet && ip link set internet netns internet
       ip -n internet link set lo up && ip -n internet link set internet up
       for at in 45.67.89.1/24 ${internet.provider}/32 ${internet.other}/32; do ip -n internet addr add $at dev internet; done
       ip route add default via 45.67.89.1
       nft -f /etc/egress.nft`,
    );
    if (this.#mode === "proxy-allowlist") await this.must(`systemctl start ${this.proxies.join(" ")}`);
  }

  /** A server of this machine's internet, until it ends. @param name of its unit */
  async serve(name: string, command: string): Promise<void> {
    const logs = `-p StandardOutput=file:/run/${name}.log -p StandardError=file:/run/${name}.log`;
    await this.must(`systemd-run --unit=${name} -p NetworkNamespacePath=/run/netns/internet ${logs} ${command}`);
  }

  async start(bot: string): Promise<void> {
    await this.must(`systemctl start clawdbot-${bot}.service`);
  }

  /** What a bot whose command is the agent prints when it runs these lines of Python; both outputs. */
  async as(bot: string, lines: string): Promise<string> {
    const { all } = await this.machine.run("python3", "-c", ask, `${home(bot)}/agent.sock`, lines);
    return all;
  }

  /** Shell lines as root. @throws Error with what they said */
  async must(lines: string): Promise<string> {
    const { exitCode, all } = await this.machine.run("sh", "-euc", lines);
    if (exitCode !== 0) throw new Error(`${lines}\nfailed: ${all}`);
    return all;
  }

  /** The units of the bots' proxies. */
  get proxies(): string[] {
    return Object.keys(this.#bots).map((name) => `clawdlets-egress-proxy-${name}.service`);
  }

  get #mode() {
    return this.#options.mode ?? "proxy-allowlist";
  }

  #put(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  async #lay(): Promise<void> {
    const names = Object.entries(this.#bots).map(([name, { uid }]) => ({ user: `bot-${name}`, uid, home: home(name) }));
    const users = [...names, { user: "clawdlets-proxy", uid: 30999, home: "/" }];
    this.#put(
      "etc/passwd",
      `root:x:0:0::/root:/bin/sh\n${users.map((it) => `${it.user}:x:${it.uid}:${it.uid}::${it.home}:/bin/sh\n`).join("")}`,
    );
    this.#put("etc/group", `root:x:0:\nnogroup:x:65534:\n${users.map((it) => `${it.user}:x:${it.uid}:\n`).join("")}`);
    this.#put("etc/hosts", `127.0.0.1 localhost\n::1 localhost\n${internet.provider} ${provider}\n`);
    this.#put("etc/agent.py", answer);
    const egress = `(import ./nix/lib/egress)`;
    const mode = nixString(this.#mode);
    const uids = names.map(({ uid }) => uid);
    const ports = Object.values(this.#bots).map(({ uid, port }) => `"${uid}" = [ ${port} ];`);
    this.#put(
      "etc/egress.nft",
      String(
        await evaluate(
          `${egress}.ruleset { mode = ${mode}; botUids = [ ${uids.join(" ")} ]; loopbackPorts = { ${ports.join(" ")} }; }`,
        ),
      ),
    );
    const proxy = "(import ./nix/lib/egress/proxy.nix)";
    this.#put(
      "etc/clawdlets/proxy/filter",
      String(await evaluate(`${proxy}.filter { allowedDomains = [ "${provider}" ]; }`)),
    );
    const own = (await evaluate(`${egress}.units.proxy { resolvers = [ "127.0.0.53" ]; }`)) as Section;
    for (const [name, { uid }] of Object.entries(this.#bots)) {
      const file = `/etc/clawdlets/proxy/${name}.conf`;
      const settings = `{ address = (import ./nix/lib/names.nix).proxyAddress ${uid}; filterFile = "/etc/clawdlets/proxy/filter"; }`;
      this.#put(file, String(await evaluate(`${proxy}.config ${settings}`)));
      this.#put(
        `etc/systemd/system/clawdlets-egress-proxy-${name}.service`,
        section({
          ...own,
          ExecStart: `/usr/bin/tinyproxy -d -c ${file}`,
          User: "clawdlets-proxy",
          StandardOutput: `append:/run/proxy-${name}.log`,
        }),
      );
    }
    await Promise.all(Object.entries(this.#bots).map(async ([name, bot]) => await this.#layBot(name, bot)));
  }

  async #layBot(name: string, bot: Bot): Promise<void> {
    const { uid, command, environment = {}, secrets = [] } = bot;
    const json = (value: unknown) => `builtins.fromJSON ${nixString(JSON.stringify(value))}`;
    const settings = json({
      name,
      secrets,
      command: command ?? `/usr/bin/python3 /etc/agent.py ${home(name)}/agent.sock`,
    });
    const mode = nixString(this.#mode);
    const variables = `(import ./nix/lib/egress).units.botEnvironment { mode = ${mode}; proxyPort = ${proxyPort}; proxyAddress = "${proxyAddress(uid)}"; } // ${json({ PATH: "/usr/bin:/bin", ...environment })}`;
    const unit = await evaluate(
      `(import ./nix/lib/bot-unit.nix).file (${settings} // { environment = ${variables}; })`,
    );
    const fence = (await evaluate(`(import ./nix/lib/egress).units.bot { mode = ${mode}; }`)) as Section;
    this.#put(`etc/systemd/system/clawdbot-${name}.service`, String(unit));
    const folder = `etc/systemd/system/clawdbot-${name}.service.d`;
    const output = { StandardOutput: `append:/run/${name}.log`, StandardError: `append:/run/${name}.log` };
    this.#put(`${folder}/1-egress.conf`, section({ ...fence, ...output }));
    this.#put(`${folder}/2-broken.conf`, `[Service]\n${this.#options.dropIn ?? ""}\n`);
    if (bot.openclaw === undefined) return;
    const lib = "(import ./nix/lib/bot-unit.nix)";
    const fences = `(import ./nix/lib/egress).units.bot { mode = ${mode}; }`;
    const [properties, all] = await Promise.all([
      evaluate(`${lib}.propertiesOf (${lib}.serviceConfig (${settings}) // ${fences})`),
      evaluate(`${lib}.environment { name = "${name}"; environment = ${variables}; }`),
    ]);
    const lines = (values: readonly string[]) => values.map((each) => `${each}\n`).join("");
    this.#put(`etc/ask/${name}.properties`, lines(properties as string[]));
    const entries = Object.entries(all as Record<string, string>);
    this.#put(`etc/ask/${name}.variables`, lines(entries.map(([key, value]) => `${key}=${value}`)));
    const state = "grep -hE '^(Uid|NoNewPrivs|CapEff|Seccomp):' /proc/self/status >&2";
    this.#put("etc/ask/openclaw", `#!/bin/sh\n${state}\nexec ${bot.openclaw} "$@"\n`);
    copyFileSync(join(repository, "nix/host/ask-openclaw.sh"), join(this.folder, "etc/ask/ask.sh"));
    const given = { BOT: name, OPENCLAW: "/etc/ask/openclaw", PORT: bot.port };
    const files = { PROPERTIES: `/etc/ask/${name}.properties`, VARIABLES: `/etc/ask/${name}.variables` };
    const exports = Object.entries({ ...given, ...files }).map(([key, value]) => `export ${key}='${value}'\n`);
    this.#put(`etc/ask/${name}`, `${exports.join("")}exec bash /etc/ask/ask.sh "$@"\n`);
    mkdirSync(join(this.folder, "var/tmp"), { recursive: true });
    for (const each of ["openclaw", name]) chmodSync(join(this.folder, "etc/ask", each), 0o755);
  }

  #steps(): string {
    const homes = Object.entries(this.#bots).map(
      ([name, { uid }]) => `mkdir -p .${home(name)} && chown ${uid}:${uid} .${home(name)} && chmod 700 .${home(name)}`,
    );
    const secrets = Object.values(this.#bots).flatMap(({ secrets = [] }) => secrets);
    return [
      "mkdir -p run/secrets run/nscd run/systemd/resolve run/systemd/journal && chmod 700 run/secrets",
      ...homes,
      ...secrets.map((name) => `echo value-of-${name} >run/secrets/${name}`),
      `ip link add uplink type veth peer name internet && ip addr add ${internet.host}/24 dev uplink && ip link set uplink up`,
    ].join("\n");
  }
}

const home = (bot: string) => `/srv/clawdbot/${bot}`;

type Section = Record<string, unknown>;
const section = (values: Section) =>
  `[Service]\n${Object.entries(values)
    .flatMap(([key, value]) =>
      [value].flat().map((one) => `${key}=${one === true ? "yes" : one === false ? "no" : one}\n`),
    )
    .join("")}`;
