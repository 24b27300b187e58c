import { expect, it } from "vitest";
import { UserError } from "../../../../core/base/errors.ts";
import { exitCodes } from "../../../../core/base/exit-codes.ts";
import type { InForce } from "../../../../core/host/facts/in-force/read.ts";
import type { Verified } from "../../../../core/host/lockdown/verify.ts";
import { withHostHalf } from "../../../../core/tasks/lockdown.ts";
import { project, stackFile } from "../../../_project.ts";

const host = "clawdbot-fleet-host";
const locked = {
  host,
  ok: true,
  answer: "locked",
  exitCode: exitCodes.ok,
  seen: {},
  wrong: [],
  warnings: ["a warning"],
} as unknown as Verified;

const sshd = [
  ...["permitrootlogin", "passwordauthentication", "kbdinteractiveauthentication", "permitemptypasswords"],
  ...["hostbasedauthentication", "gssapiauthentication", "permituserenvironment", "allowagentforwarding"],
  ...["allowtcpforwarding", "allowstreamlocalforwarding", "gatewayports", "permittunnel", "x11forwarding"],
].map((key) => `${key} no`);
const more = [
  "pubkeyauthentication yes",
  "authenticationmethods publickey",
  "allowusers admin",
  "authorizedkeysfile /etc/ssh/authorized_keys.d/%u",
  "hostkey /etc/ssh/ssh_host_ed25519_key",
];
const inputDrop = { chain: { family: "inet", table: "nixos-fw", name: "input", hook: "input", policy: "drop" } };
const opensSsh = {
  rule: {
    family: "inet",
    table: "nixos-fw",
    chain: "input",
    expr: [
      { match: { op: "==", left: { payload: { protocol: "tcp", field: "dport" } }, right: 22 } },
      { accept: null },
    ],
  },
};
const closed = {
  sshd: [...sshd, ...more],
  sockets: ['tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))'],
  files: [],
  nft: [inputDrop],
  tailscale: null,
} as unknown as InForce;

const check = (seen: InForce, verified = locked) => {
  const request = { layout: project(), host, environment: {}, signal: new AbortController().signal };
  return withHostHalf(verified, request, async () => ({ seen }));
};

it("adds that the host's own half is as declared, and keeps the warnings", async () => {
  expect(await check(closed)).toEqual({ ...locked, onHost: "as declared" });
});

it.each<[string, Partial<InForce>, string]>([
  [
    "sshd asks for passwords",
    { sshd: [...closed.sshd.filter((line) => !/^passwordauth/.test(line)), "passwordauthentication yes"] },
    'sshd passwordauthentication: is "yes"; allowed: no.',
  ],
  [
    "its firewall accepts ssh on every interface, as with clawdlets.publicSsh.enable",
    { nft: [inputDrop, opensSsh] as unknown as NonNullable<InForce["nft"]> },
    "nft nixos-fw input: accepts TCP/22 on every interface. ",
  ],
  ["nft could not be asked", { nft: null }, "nft: the host could not ask it."],
])("fails although Hetzner's firewall is closed if %s", async (_, differs, wrong) => {
  const found = await check({ ...closed, ...differs });
  expect(found).toMatchObject({ ok: false, answer: "locked", exitCode: exitCodes.failed, onHost: "differs" });
  expect(found.wrong).toEqual([expect.stringContaining(wrong)]);
  expect(found.problems).toMatchObject([{ subject: host }]);
});

it("warns, and stays closed, if the host cannot be asked: closing needs nothing of it", async () => {
  const request = { layout: project(), host, environment: {}, signal: new AbortController().signal };
  const warning = (why: string) => ({ ...locked, warnings: ["a warning", `not checked on the host: ${why}`] });
  const silent = async () => ({ notAsked: "it does not answer." });
  expect(await withHostHalf(locked, request, silent)).toEqual(warning("it does not answer."));
  const failing = async () => {
    throw new UserError({ subject: host, problem: "its system is older." });
  };
  expect(await withHostHalf(locked, request, failing)).toEqual(warning(`${host}: its system is older.`));
  const bad = project({ stackFile: stackFile.replace("cx43", "CX43") });
  const { ok, warnings } = await withHostHalf(locked, { ...request, layout: bad }, silent);
  expect([ok, warnings[1]]).toEqual([true, expect.stringContaining("clawdlets:serverType")]);
});

it("asks nobody about a host that is open, or not known", async () => {
  const open = { ...locked, ok: false, answer: "open", exitCode: exitCodes.open } as const;
  expect(await check(closed, open)).toEqual(open);
});
