import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, expect, it } from "vitest";
import { inForceFindings } from "../../../core/host/facts/in-force/findings.ts";
import { type InForce, readInForce } from "../../../core/host/facts/in-force/read.ts";
import { requestText, timePattern, unitPattern } from "../../../core/host/reach/journal-request.ts";
import { readRefusal } from "../../../core/host/reach/refusal.ts";
import { path } from "../../_debian.ts";
import { describeWith } from "../../_needs.ts";
import { temporaryFolder } from "../../_project.ts";
import { repository } from "../../_repository.ts";
import { evaluate } from "../_nix.ts";
import { as, PrivateMachine, quoted } from "../_private-machine.ts";

const sw = "/run/current-system/sw/bin";
const script = (name: string) => join(repository, "nix/host", name);

/** nix/host/logs.sh with the real journalctl of this machine. */
const logs = (input: string, args: string[] = []) =>
  execa("bash", [script("logs.sh"), ...args], { input, env: { PATH: path }, extendEnv: false, reject: false });

describeWith({ programs: ["journalctl"] }, "nix/host/logs.sh with the real journalctl", () => {
  const times = [
    "-2h",
    "yesterday",
    "today",
    "now",
    "-1week 3days",
    "2 hours ago",
    "2026-11-27",
    "2026-11-27 10:00",
    "2026-11-27 10:00:00.5 Europe/Berlin",
    "@1764234000",
    "+1h",
    "Fri 2026-11-27 10:00",
  ];
  it.each(times)("takes the time %j", async (since) => {
    expect(since).toMatch(timePattern);
    const { exitCode, stderr } = await logs(requestText({ since, lines: "3" }));
    expect(readRefusal(stderr, exitCode).code).toBeUndefined();
    expect(exitCode).toBe(0);
  });

  it("leaves it to journalctl which word is a time", async () => {
    const { exitCode, stderr } = await logs(requestText({ since: "nonsense", lines: "3" }));
    expect(exitCode).toBe(2);
    expect(readRefusal(stderr, exitCode)).toMatchObject({
      code: "bad-time",
      hasRefused: true,
      said: "not a time: nonsense",
    });
  });

  it("takes units of any kind, and a request without an empty line at its end", async () => {
    const units = ["sshd.service", "user@1000.service", "a-b\\x2dc.mount", "-.slice".replace("-", "x"), "x.timer"];
    for (const unit of units) {
      expect(unit).toMatch(unitPattern);
      expect((await logs(`unit=${unit}\nuntil=now`)).exitCode).toBe(0);
    }
  });

  const refused = [
    "unit=*",
    "unit=ssh*.service",
    "unit=sshd",
    "unit=-x.service",
    "unit=/dev/sda.mount",
    "unit=a.service --file=/etc/shadow",
    "unit=a.service\t",
    "unit=",
    `unit=${"a".repeat(201)}.service`,
    "since=--file=/etc/shadow",
    "since=$(id)",
    "since=`id`",
    "since=2h;id",
    "since='2h'",
    "since=",
    `since=${"1".repeat(65)}`,
    "until=a\\b",
    "lines=0",
    "lines=100000",
    "lines=all",
    "lines=+5",
    "lines=5\nlines=6",
    "follow=no",
    "follow=",
    "output=export",
    "file=/etc/shadow",
    "--file=/etc/shadow",
    "unit",
    "lines=1\nunit=a.service\nsince=1h\nuntil=now\nfollow=yes\nlines=2\nx=y",
    `x${"=".repeat(400)}`,
  ];
  it.each(refused)("refuses %j", async (request) => {
    const { exitCode, stderr, stdout } = await logs(`${request}\n\n`);
    expect([exitCode, stdout]).toEqual([2, ""]);
    const refusal = readRefusal(stderr, exitCode);
    const isValue = /^the value of (unit|since|until|lines|follow) is malformed$/.test(refusal.said);
    expect(refusal).toMatchObject({ code: isValue ? "bad-value" : "unknown-order", hasRefused: true });
    expect(refusal.said).toMatch(/^[a-z ]+[a-z=]+$/);
  });

  it("takes no arguments", async () => {
    const { exitCode, stderr } = await logs("\n", ["--file=/etc/shadow"]);
    expect(exitCode).toBe(2);
    expect(readRefusal(stderr, exitCode)).toMatchObject({ code: "unknown-order", said: "it takes no arguments" });
  });

  it("has a code where journalctl fails for a reason of its own", async () => {
    const machine = { PATH: temporaryFolder() };
    const command = { input: "\n", env: machine, extendEnv: false, reject: false };
    const { exitCode, stderr } = await execa("/bin/bash", [script("logs.sh")], command);
    expect(exitCode).toBe(127);
    const refusal = readRefusal(stderr, exitCode);
    expect(refusal).toMatchObject({ code: "failed", hasRefused: false, isMissing: false });
    expect(refusal.said).toMatch(/journalctl: command not found \(it failed with exit status 127\)$/);
  });

  it("leaves journalctl's own words to a reader who follows", async () => {
    const { exitCode, stderr } = await logs(requestText({ since: "nonsense", lines: "3", follow: true }));
    expect([exitCode, stderr]).toEqual([1, "Failed to parse timestamp: nonsense"]);
  });
});

/** The firewall as nixpkgs prints it (nixos/modules/services/networking/firewall-nftables.nix), with this rule for TCP/22. */
const nixosFirewall = (ssh: string, policy = "drop", table = "nixos-fw") => `table inet ${table} {
  chain input {
    type filter hook input priority filter; policy ${policy};
    iifname { "lo" } accept comment "trusted interfaces"
    ct state vmap { invalid : drop, established : accept, related : accept, new : jump input-allow, untracked : jump input-allow }
  }
  chain input-allow {
    ${ssh}
    icmp type echo-request accept
    icmpv6 type != { nd-redirect, 139 } accept
    ip6 daddr fe80::/64 udp dport 546 accept
  }
}
`;
const onTailnet = 'iifname "tailscale0" tcp dport { 22 } accept';
const settings = {
  host: "web-1",
  sshExposure: "tailnet",
  tailnet: "tailscale",
  bots: ["maren"],
  firewallRules: [],
} satisfies Parameters<typeof inForceFindings>[1];

interface Host {
  sshd?: string;
  firewall?: string;
  steps?: string[];
}

/** A machine with real sshd, nft, ss and sudo, asked as admin over the one line of sudoers. */
async function ask({ sshd, firewall = nixosFirewall(onTailnet), steps = [] }: Host = {}): Promise<InForce> {
  const machine = new PrivateMachine();
  const [rules, config, egress] = (await Promise.all([
    evaluate(`(import ./nix/lib/sudoers.nix).file { bots = [ "maren" ]; }`),
    evaluate("(import ./nix/lib/sshd.nix).configFile { }"),
    evaluate("(import ./nix/lib/egress).ruleset { botUids = [ 31007 ]; }"),
  ])) as [string, string, string];
  const key = join(temporaryFolder(), "key");
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  machine.place("/etc/sudoers", rules, 0o440);
  machine.empty("/etc/sudoers.d");
  machine.empty("/etc/ssh");
  machine.put("/etc/ssh/sshd_config", sshd ?? config);
  machine.put("/etc/ssh/ssh_host_ed25519_key", readFileSync(key, "utf8"), 0o600);
  machine.put("/run/secrets.d/1/canary_token", "canary-0123456789", 0o400);
  machine.put("/run/clawdlets/secrets/canary_token.yaml", "ciphertext", 0o400);
  machine.put("/run/sops-nix/key.txt", "canary-identity", 0o600);
  machine.step("ln -s secrets.d/1 /run/secrets");
  machine.put("/run/rules", `${firewall}${egress}`);
  machine.step("nft -f /run/rules");
  for (const name of ["audit.sh", "lib/refuse.sh"])
    machine.put(`/run/host/${name}`, readFileSync(script(name), "utf8"));
  const paths = [
    "/run/sops-nix/key.txt",
    "/run/clawdlets/secrets",
    "/etc/ssh/ssh_host_ed25519_key",
    "/run/secrets/",
    "/run/none/",
  ];
  const wrapper = `#!/bin/bash\nexport PATH=/usr/sbin:/usr/bin:/bin SSHD=/usr/sbin/sshd SECRET_PATHS=${quoted(paths.join("\n"))}\nexec bash /run/host/audit.sh "$@"\n`;
  machine.put(`${sw}/clawdlets-audit`, wrapper, 0o755);
  machine.step("mkdir -p /run/sshd && /usr/sbin/sshd");
  for (const step of steps) machine.step(step);
  const [answer, refused] = await machine.run([
    as("admin", "sudo", "-n", `${sw}/clawdlets-audit`),
    as("admin", "sudo", "-n", `${sw}/clawdlets-audit`, "x"),
  ]);
  // sudo's own words: its line allows no argument.
  expect(refused?.exitCode).toBe(1);
  expect(answer?.stdout).not.toMatch(/canary-0123456789|canary-identity/);
  return readInForce("web-1", async () => answer ?? { exitCode: 1, stdout: "", stderr: "" });
}

/** tailscale is not installed in the machine. */
const problemsOf = (seen: InForce, given: Parameters<typeof inForceFindings>[1] = settings) => {
  const { tailscale: _, ...parts } = inForceFindings(seen, given);
  return Object.values(parts)
    .flat()
    .map(({ code, setting }) => `${code} ${setting}`);
};

const programs = ["nix-instantiate", "sudo", "unshare", "setpriv", "sshd", "nft", "ss", "jq"];
describeWith({ programs, root: true }, "nix/host/audit.sh with real sshd, nft, ss and sudo", () => {
  let ours: InForce;
  beforeAll(async () => {
    ours = await ask();
  }, 60_000);

  it("finds nothing on a host as the modules make it", () => {
    expect(problemsOf(ours)).toEqual([]);
    expect(ours.sockets.some((line) => line.includes(":22 "))).toBe(true);
    expect(ours.files).toContain("400 0 0 f /run/secrets/canary_token");
    expect(inForceFindings(ours, settings).tailscale).toMatchObject([{ code: "not-checked" }]);
  });

  it("finds each setting of sshd, chain, socket and mode that lets more in", async () => {
    const opened = await ask({
      sshd: "HostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin yes\nMatch User admin\n  PasswordAuthentication yes\n",
      firewall: nixosFirewall("tcp dport { 22, 80 } accept", "accept"),
      steps: [
        "nft delete table inet clawdlets-egress",
        "chmod 0444 /run/secrets.d/1/canary_token",
        "chmod 0640 /run/sops-nix/key.txt",
        "chmod 0777 /run/clawdlets/secrets",
        "/usr/sbin/sshd -o Port=6379 -o ListenAddress=0.0.0.0 -o PidFile=none",
        "/usr/sbin/sshd -o Port=6380 -o ListenAddress=127.0.0.1 -o PidFile=none",
      ],
    });
    const found = problemsOf(opened);
    for (const key of [
      "permitrootlogin",
      "passwordauthentication",
      "allowusers",
      "authenticationmethods",
      "allowtcpforwarding",
    ]) {
      expect(found).toContain(`not-locked-down sshd ${key}`);
    }
    expect(found).toContain("not-locked-down nft input");
    expect(found).toContain("not-locked-down nft clawdlets-egress");
    expect(found.filter((each) => each.includes("tcp/"))).toEqual(["not-locked-down tcp/6379"]);
    expect(found.filter((each) => each.startsWith("file-exposed")).sort()).toEqual([
      "file-exposed /run/clawdlets/secrets",
      "file-exposed /run/secrets/canary_token",
      "file-exposed /run/sops-nix/key.txt",
    ]);
    const declared = [{ protocol: "tcp" as const, port: "6000-6500", sourceIps: ["0.0.0.0/0"] }];
    expect(problemsOf(opened, { ...settings, firewallRules: declared })).not.toContain("not-locked-down tcp/6379");
  }, 60_000);

  it("knows a rule that opens TCP/22 to everyone from one that does not", async () => {
    const rules: [string, boolean][] = [
      ["tcp dport 22 accept", true],
      ["tcp dport { 20-30 } accept", true],
      ["tcp dport { 80, 22 } counter accept", true],
      ["meta l4proto tcp accept", true],
      ["accept", true],
      ["meta l4proto { tcp, udp } th dport 22 accept", true],
      [onTailnet, false],
      ["tcp dport 2222 accept", false],
      ["tcp dport { 23-30 } accept", false],
      ["udp dport 22 accept", false],
      ["meta l4proto udp accept", false],
      ["ip saddr 203.0.113.7 tcp dport 22 accept", false],
      ["tcp dport 22 drop", false],
    ];
    const firewall = rules.map(([rule], index) => nixosFirewall(rule, "drop", `rule-${index}`)).join("");
    const seen = await ask({ firewall });
    const open = rules.flatMap(([, isOpen], index) =>
      isOpen ? [`not-locked-down nft rule-${index} input-allow`] : [],
    );
    expect(problemsOf(seen)).toEqual(open);
    expect(problemsOf(seen, { ...settings, sshExposure: "public" })).toEqual([]);
  }, 60_000);

  it("has a code where it takes no order, and where a program of it is missing", async () => {
    const machine = new PrivateMachine();
    const rules = (await evaluate(`(import ./nix/lib/sudoers.nix).file { bots = [ "maren" ]; }`)) as string;
    machine.place("/etc/sudoers", rules, 0o440);
    machine.empty("/etc/sudoers.d");
    for (const name of ["audit.sh", "lib/refuse.sh"])
      machine.put(`/run/host/${name}`, readFileSync(script(name), "utf8"));
    const wrapper = `#!/bin/bash\nexport PATH=/run/none SSHD=/usr/sbin/sshd SECRET_PATHS=/run/none\nexec /bin/bash /run/host/audit.sh "$@"\n`;
    machine.put(`${sw}/clawdlets-audit`, wrapper, 0o755);
    const [broken, argument] = await machine.run([
      as("admin", "sudo", "-n", `${sw}/clawdlets-audit`),
      "bash /run/host/audit.sh x",
    ]);
    expect(readRefusal(argument?.stderr ?? "", 2)).toMatchObject({ code: "unknown-order", hasRefused: true });
    expect(argument?.exitCode).toBe(2);
    expect(readRefusal(broken?.stderr ?? "", 127)).toMatchObject({ code: "failed", hasRefused: false });
    await expect(readInForce("web-1", async () => broken ?? { exitCode: 0, stdout: "", stderr: "" })).rejects.toThrow(
      /what is in force there is unknown: .*jq: command not found \(it failed with exit status 127\)/,
    );
  });
});
