import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { encrypt } from "unixcrypt";
import { expect, it } from "vitest";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { evaluate } from "./_nix.ts";
import { type Attempt, as, PrivateMachine, quoted } from "./_private-machine.ts";

const password = "the right one";

async function keyPair(folder: string, name: string): Promise<{ file: string; public: string }> {
  const file = join(folder, name);
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
  return { file, public: readFileSync(`${file}.pub`, "utf8") };
}

/** Allows every login: proves that a refusal comes from our settings, and not from this environment. */
const open = `Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u .ssh/authorized_keys
UsePAM yes
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
AllowTcpForwarding yes
Ciphers +aes128-ctr
KexAlgorithms +diffie-hellman-group14-sha256
MACs +hmac-sha1
Subsystem sftp internal-sftp
`;

const ours = async () => (await evaluate("(import ./nix/lib/sshd.nix).configFile { }")) as string;

/** An sshd of ours in a machine of its own, and a client beside it that knows every key and password. */
async function machineWith(config: string) {
  const machine = new PrivateMachine(encrypt(password));
  const keys = temporaryFolder();
  const [host, client, home, other] = await Promise.all(
    ["host", "client", "home", "other"].map((name) => keyPair(keys, name)),
  );
  if (!host || !client || !home || !other) throw new Error("keys");
  machine.empty("/etc/ssh");
  machine.put("/etc/ssh/sshd_config", config);
  machine.put("/etc/ssh/ssh_host_ed25519_key", readFileSync(host.file, "utf8"), 0o600);
  for (const user of ["admin", "root", "breakglass", "bot-maren"]) {
    machine.put(`/etc/ssh/authorized_keys.d/${user}`, client.public);
  }
  machine.put("/home/admin/.ssh/authorized_keys", home.public);
  machine.step("chown -R 1000:100 /home/admin");
  machine.place(
    "/etc/pam.d/sshd",
    "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n",
  );
  machine.put("/run/client/known_hosts", `127.0.0.1 ${host.public}`);
  machine.put("/run/client/other_known_hosts", `127.0.0.1 ${other.public}`);
  machine.put("/run/client/askpass", `#!/bin/sh\necho ${quoted(password)}\n`, 0o755);
  for (const [name, { file }] of Object.entries({ client, home, other })) {
    machine.put(`/run/client/${name}`, readFileSync(file, "utf8"), 0o600);
  }
  machine.step("install -d -m 755 /run/sshd");
  machine.step("/usr/sbin/sshd -f /etc/ssh/sshd_config -E /run/sshd.log");
  // It listens only after it has left for the background.
  machine.step(`timeout 10 sh -c 'until ss -Hltn "sport = :22" | grep -q .; do :; done'`);
  return machine;
}

interface Login {
  user?: string;
  key?: "client" | "home" | "other";
  methods?: string;
  options?: string[];
  command?: string[];
  before?: string[];
}

function ssh({ user = "admin", key, methods, options = [], command = ["id", "-un"], before = [] }: Login): string {
  const how = methods ?? (key ? "publickey" : "none");
  const words = [
    ...options.flatMap((each) => ["-o", each]), // ssh keeps the first value.
    ...["-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=/run/client/known_hosts"],
    ...["-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes", "-i", `/run/client/${key ?? "other"}`],
    ...["-o", `PreferredAuthentications=${how}`, "-o", "ConnectTimeout=10"],
    ...before,
    `${user}@127.0.0.1`,
    ...command,
  ];
  const ask = "env SSH_ASKPASS=/run/client/askpass SSH_ASKPASS_REQUIRE=force";
  return `${ask} timeout 30 ssh ${words.map(quoted).join(" ")}`;
}

const byPassword = { methods: "password" };
const byKeyboard = { methods: "keyboard-interactive" };

/** Name, login, and the result with our settings. With open settings all but the last two groups get in. */
const matrix: [string, Login, boolean][] = [
  ["admin by key", { key: "client" }, true],
  ["admin by password", byPassword, false],
  ["admin by keyboard-interactive", byKeyboard, false],
  ["admin by key, then password", { key: "other", methods: "publickey,password,keyboard-interactive" }, false],
  ["admin by a key in the home folder", { key: "home" }, false],
  ...["root", "breakglass", "bot-maren"].flatMap((user): [string, Login, boolean][] => [
    [`${user} by key`, { user, key: "client" }, false],
    [`${user} by password`, { user, ...byPassword }, false],
    [`${user} by keyboard-interactive`, { user, ...byKeyboard }, false],
  ]),
  ["admin by key, with an old cipher", { key: "client", options: ["Ciphers=aes128-ctr"] }, false],
  [
    "admin by key, with an old exchange",
    { key: "client", options: ["KexAlgorithms=diffie-hellman-group14-sha256"] },
    false,
  ],
  ["admin by key, with an old MAC", { key: "client", options: ["Ciphers=aes128-ctr", "MACs=hmac-sha1"] }, false],
  ["admin's file transfer", { key: "client", before: ["-s"], command: ["sftp"] }, false],
  [
    "a port here, forwarded from elsewhere",
    { key: "client", before: ["-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:4000:127.0.0.1:22"] },
    false,
  ],
];

/** Logins that fail with any settings. */
const never: [string, Login][] = [
  ["admin by another key", { key: "other" }],
  ["admin by nothing", {}],
  ["an unknown user", { user: "clawdlets", key: "client" }],
  ["a host with another key", { key: "client", options: ["UserKnownHostsFile=/run/client/other_known_hosts"] }],
];

const programs = ["nix-instantiate", "sshd", "ssh", "ssh-keygen", "unshare", "ip"];

/** Milliseconds for a few dozen logins on a busy machine; nothing waits for it. */
const manyLogins = { timeout: 180_000 };

describeWith({ programs, root: true }, "the host's sshd", () => {
  it("takes the settings as they are meant", async () => {
    const machine = await machineWith(await ours());
    const [answer] = await machine.run(["/usr/sbin/sshd -T -f /etc/ssh/sshd_config"]);
    expect(answer).toMatchObject({ exitCode: 0, stderr: "" });
    const settings = answer?.stdout.split("\n") ?? [];
    for (const line of [
      "allowusers admin",
      "permitrootlogin no",
      "passwordauthentication no",
      "kbdinteractiveauthentication no",
      "authenticationmethods publickey",
      "permitemptypasswords no",
      "hostbasedauthentication no",
      "authorizedkeysfile /etc/ssh/authorized_keys.d/%u",
      "hostkey /etc/ssh/ssh_host_ed25519_key",
      "allowtcpforwarding local",
      "gatewayports no",
      "permittunnel no",
      "x11forwarding no",
      "ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com",
      "macs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
      "kexalgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org",
    ]) {
      expect(settings).toContain(line);
    }
    expect(settings.filter((line) => line.startsWith("hostkey "))).toHaveLength(1);
  });

  /** Whether a session came about: it says whose, or was a subsystem that ended in order. */
  const got = ({ exitCode }: Attempt) => exitCode === 0;

  it(`lets in admin by key, and nobody else: ${matrix.length + never.length} logins`, manyLogins, async () => {
    const logins = [...matrix.map(([, login]) => login), ...never.map(([, login]) => login)];
    const wanted = [...matrix.map(([, , isIn]) => isIn), ...never.map(() => false)];
    const names = [...matrix.map(([name]) => name), ...never.map(([name]) => name)];
    const machine = await machineWith(await ours());
    const answers = await machine.run(logins.map(ssh));
    expect(answers.map((answer, index) => [names[index], got(answer)])).toEqual(
      wanted.map((isIn, index) => [names[index], isIn]),
    );
    expect(answers[0]?.stdout).toBe("admin\n");
  });

  it("would let each of them in with other settings, but for wrong keys and users", manyLogins, async () => {
    const logins = [...matrix.map(([name, login]) => [name, login] as const), ...never];
    const answers = await (await machineWith(open)).run(logins.map(([, login]) => ssh(login)));
    expect(answers.map((answer, index) => [logins[index]?.[0], got(answer)])).toEqual(
      logins.map(([name], index) => [name, index < matrix.length]),
    );
  });

  it("lets admin reach a bot's gateway on the host's loopback", async () => {
    const machine = await machineWith(await ours());
    const [answer] = await machine.run([
      `${ssh({ key: "client", before: ["-W", "127.0.0.1:22"], command: [] })} </dev/null | head -c 8`,
    ]);
    expect(answer?.stdout).toBe("SSH-2.0-");
  });

  it("logs which key was used", async () => {
    const machine = await machineWith(await ours());
    const [, log] = await machine.run([ssh({ key: "client" }), "cat /run/sshd.log"]);
    expect(log?.stdout).toMatch(/Accepted publickey for admin from 127\.0\.0\.1 port \d+ ssh2: ED25519 SHA256:/);
  });

  it("lets admin check that a secret exists, but not read or list secrets", async () => {
    const machine = await machineWith(await ours());
    // As sops-install-secrets makes them: folders 0751 root, files 0400 root (Mic92/sops-nix, pkgs/sops-install-secrets).
    machine.step("install -d -m 751 /run/secrets.d/1 && ln -s /run/secrets.d/1 /run/secrets");
    machine.put("/run/secrets/openai", "value\n", 0o400);
    const answers = await machine.run(
      ["[ -e /run/secrets/openai ]", "[ -e /run/secrets/none ]", "cat /run/secrets/openai", "ls /run/secrets/"].map(
        (command) => as("admin", "sh", "-c", command),
      ),
    );
    expect(answers.map(got)).toEqual([true, false, false, false]);
  });
});
