import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { publicKeyOf, replaceSshKey } from "../../../core/base/machine/ssh-keys.ts";
import { knownHostsLine } from "../../../core/host/reach/known-hosts.ts";
import { layoutOf } from "../../../core/project/layout.ts";
import { describeWith } from "../../_needs.ts";
import { temporaryFolder } from "../../_project.ts";
import { repository } from "../../_repository.ts";
import { PrivateMachine, quoted } from "../_private-machine.ts";

/** What an operator may have: everything but the way is to be ignored. */
const config = `Host botsmj
  HostName 127.0.0.5
  ProxyJump admin@127.0.0.6:2222
Host by-command
  HostName 127.0.0.5
  ProxyCommand ssh -o BatchMode=yes -W '[%h]:%p' -p 2222 admin@127.0.0.6
Host foreign
  HostName 127.0.0.5
  Port 2200
  ProxyJump admin@127.0.0.6:2222
Host botsmj by-command foreign
  User root
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  HostKeyAlias anything
  IdentityFile /nonexistent
Host 127.0.0.6
  IdentityFile /run/operator/.ssh/id_ed25519
`;

interface Found {
  route?: { address: string; port: number; user: string; proxyCommand?: string };
  code?: string;
  exitCode?: number;
}

/** Two real sshds, of which only the jump host's user reaches the host, and the operator's real ssh. @returns a result per destination */
async function find(destinations: readonly (string | null)[]): Promise<Found[]> {
  const folder = temporaryFolder();
  const layout = layoutOf(join(folder, "project"));
  mkdirSync(layout.dir, { recursive: true, mode: 0o700 });
  const keys = ["host", "jump", "foreign", "operator"] as const;
  for (const name of keys) await replaceSshKey(join(folder, name), name);
  const key = (name: (typeof keys)[number]) => readFileSync(join(folder, name), "utf8");
  writeFileSync(layout.knownHosts, knownHostsLine(["web-1"], publicKeyOf(join(folder, "host"))), { mode: 0o600 });
  const machine = new PrivateMachine();
  // ssh takes the home folder from there, not from HOME.
  machine.place(
    "/etc/passwd",
    readFileSync(join(machine.folder, "files/etc/passwd"), "utf8").replace(":/root:", ":/run/operator:"),
  );
  machine.put("/run/operator/.ssh/config", config, 0o600);
  machine.put("/run/operator/.ssh/id_ed25519", key("operator"), 0o600);
  machine.put("/run/operator/.ssh/known_hosts", `[127.0.0.6]:2222 ${publicKeyOf(join(folder, "jump"))}\n`, 0o600);
  machine.put("/run/keys/admin", `${publicKeyOf(join(folder, "operator"))}\n`);
  for (const name of keys) machine.put(`/run/keys/${name}.key`, key(name), 0o600);
  machine.step("mkdir -p /run/sshd");
  const sshd = (address: string, port: number, name: string) =>
    `/usr/sbin/sshd -f /dev/null -o ListenAddress=${address} -o Port=${port} -o HostKey=/run/keys/${name}.key -o AuthorizedKeysFile=/run/keys/%u -o AllowUsers=admin -o PidFile=none -o UsePAM=no -o StrictModes=no`;
  machine.step(sshd("127.0.0.5", 22, "host"));
  machine.step(sshd("127.0.0.5", 2200, "foreign"));
  machine.step(sshd("127.0.0.6", 2222, "jump"));
  const rule = "ip daddr 127.0.0.5 tcp dport { 22, 2200 } meta skuid != 1000 reject";
  machine.step(
    `nft 'table inet only-by-the-jump-host { chain output { type filter hook output priority 0; ${rule}; }; }'`,
  );
  const local = {
    tailscale: "/nonexistent/tailscale",
    endpoint: "",
    token: "",
    sshPort: 22,
    sshPubkeyFile: join(folder, "operator.pub"),
  };
  const settings = { host: "web-1", tailnet: "none", sshExposure: "tailnet" };
  const script = [
    "--import",
    join(repository, "bin/typescript.mjs"),
    join(repository, "test/nix/operate/_find-routes.ts"),
  ];
  const words = [
    process.execPath,
    ...script,
    JSON.stringify({ layout, settings, local }),
    JSON.stringify(destinations),
  ];
  const [answer] = await machine.run([`cd ${quoted(repository)} && ${words.map(quoted).join(" ")}`]);
  if (answer === undefined || answer.stdout === "") throw new Error(answer?.stderr);
  return JSON.parse(answer.stdout) as Found[];
}

describeWith(
  { programs: ["sshd", "ssh", "nft", "unshare"], root: true },
  "targetHost of stack.json, with real ssh",
  () => {
    let found: Found[];
    beforeAll(async () => {
      found = await find(["botsmj", "admin@botsmj", "by-command", "foreign", "127.0.0.5", null]);
    }, 400_000);

    it.each([
      [0, "an alias with a jump host"],
      [1, "the same with a user"],
      [2, "an alias with a proxy command"],
    ])("reaches the host by destination %i: %s", (index) => {
      expect(found[index]).toMatchObject({ exitCode: 0, route: { address: "127.0.0.5", port: 22, user: "admin" } });
    });

    it("takes no other host key than the pinned one, whatever the operator's configuration says", () => {
      expect(found[3]).toMatchObject({
        code: "no-session",
        reasons: [expect.stringContaining("Host key verification failed")],
      });
    });

    it("is what makes the difference", () => {
      expect(found[4]).toMatchObject({ code: "no-session", tried: ["127.0.0.5"] });
      expect(found[5]).toMatchObject({ code: "address-unknown" });
    });
  },
);
