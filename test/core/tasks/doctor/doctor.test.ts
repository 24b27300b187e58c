import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { writePrivateFile } from "../../../../core/base/machine/private-files.ts";
import { replaceSshKey } from "../../../../core/base/machine/ssh-keys.ts";
import { problemLine } from "../../../../core/base/problem.ts";
import { hostLayoutOf, type Layout } from "../../../../core/project/layout.ts";
import { addToStackFile } from "../../../../core/project/settings/stack-file.ts";
import {
  type DoctorContext,
  examine,
  exitCodeOf,
  type Finding,
  type Scope,
} from "../../../../core/tasks/doctor/index.ts";
import { temporaryFolder } from "../../../_project.ts";
import { done } from "../../../emulator/_lab.ts";
import { admin, LockdownLab, labels, ping, ssh, windowOf } from "../../host/lockdown/_lab.ts";
import { initHost, makeProject, openHost, sops, valuesFor } from "../../project/secrets/_lab.ts";

/** A whole project with real keys and sops files, and one server of it on an emulated Hetzner. */
const host = "web-1";
let world: LockdownLab;
beforeAll(async () => {
  world = await LockdownLab.open();
});
afterEach(() => world.reset());
afterAll(() => world?.lab.stop());

async function healthy(): Promise<Layout> {
  const layout = makeProject(temporaryFolder(), [{ name: host }]);
  await replaceSshKey(join(layout.root, "operator"), "you");
  await initHost(layout, host, valuesFor(openHost(layout, host), "first"));
  await addToStackFile(layout, host, { tailnet: "none", serverType: "cx43" });
  const { endpoint, token, sshPort } = world.lab.emulator;
  const standIn = join(process.cwd(), "emulator", "stand-ins", "nixos-anywhere");
  const env = {
    HCLOUD_TOKEN: token,
    HCLOUD_ENDPOINT: endpoint,
    CLAWDLETS_SSH_PORT: sshPort,
    CLAWDLETS_NIXOS_ANYWHERE: standIn,
  };
  const lines = Object.entries(env).map(([key, value]) => `${key}=${value}\n`);
  await writePrivateFile(join(layout.dir, ".env"), lines.join(""));
  await writePrivateFile(layout.passphrase, "passphrase\n");
  writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\noperator\n");
  const git = (...args: string[]) =>
    execa("git", ["-c", "user.name=t", "-c", "user.email=t@t.invalid", ...args], { cwd: layout.root });
  await git("init", "-q");
  await git("add", "--all");
  await git("commit", "-qm", "hosts");
  writeState(layout);
  return layout;
}

function writeState(layout: Layout, resources: object[] = known(), pending: object[] = []): void {
  const folder = join(layout.state, ".pulumi", "stacks", "clawdlets");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const latest = { resources, pending_operations: pending };
  writeFileSync(join(folder, `${host}.json`), JSON.stringify({ version: 3, checkpoint: { latest } }));
}
const known = () => [
  { urn: "urn:s", type: "hcloud:index/server:Server", id: String(world.server.id) },
  { urn: "urn:f", type: "hcloud:index/firewall:Firewall", id: String(world.firewallId) },
];

function look(layout: Layout, scopes: Scope[], more: Partial<DoctorContext> = {}): Promise<Finding[]> {
  const signal = new AbortController().signal;
  const scanSecrets = async () => [];
  return examine({ layout, hosts: [host], environment: {}, sops, scanSecrets, signal, ...more }, scopes);
}

const told = (findings: readonly Finding[], status?: Finding["status"]) =>
  findings
    .filter((each) => (status === undefined ? each.status !== "ok" : each.status === status))
    .map((each) => `${each.status} | ${each.check} | ${each.subject} | ${saidBy(each)}`);

const saidBy = (finding: Finding) =>
  finding.status === "ok"
    ? finding.found
    : `${problemLine({ ...finding, subject: "", fix: "" }).trimEnd()} | ${finding.fix}`;

describe("nothing is wrong with a whole project", () => {
  it.each<[Scope, string[]]>([
    ["repo", []],
    // The only way in is the console, since there is no tailnet: the emulator alone has none of it.
    ["stack", [expect.stringMatching(/^warning \| exposure .*the console is the only way in/)]],
    ["deploy", [expect.stringMatching(/^warning \| lockdown .*IPv6 was not tried/)]],
  ])("in the scope %s", async (scope, allowed) => {
    const findings = await look(await healthy(), [scope]);
    expect(told(findings)).toEqual(allowed);
    expect(findings.length).toBeGreaterThan(4);
    expect(exitCodeOf(findings, false)).toBe(0);
    expect(findings.every((each) => each.scope === scope && each.subject !== "" && saidBy(each) !== "")).toBe(true);
  });
});

describe("the scope repo finds", () => {
  it.each<[string, (layout: Layout) => Promise<unknown> | unknown, RegExp]>([
    [
      "a .clawdlets that git would take",
      ({ root }) => writeFileSync(join(root, ".gitignore"), ""),
      /^problem \| local folder .*does not ignore it.*echo/,
    ],
    [
      "a key that git tracks",
      ({ root }) => track(root, "secrets/me.agekey"),
      /^problem \| tracked files .*secrets\/me\.agekey .*git rm --cached/,
    ],
    [
      "a token file that git tracks",
      ({ root }) => track(root, "deploy/.env"),
      /^problem \| tracked files .*deploy\/\.env/,
    ],
    [
      "an address in a public file",
      (layout) => addToStackFile(layout, host, { flake: "git+https://203.0.113.7/hosts" }),
      /^problem \| public stack file .*has an address in clawdlets:flake .*stack\.json/,
    ],
    [
      "a flake without a lock",
      ({ root }) => writeFileSync(join(root, "flake.nix"), "{}"),
      /^warning \| flake\.lock .*nix flake lock/,
    ],
  ])("%s", async (_, spoil, text) => {
    const layout = await healthy();
    await spoil(layout);
    expect(told(await look(layout, ["repo"])).join("\n")).toMatch(text);
  });

  it("what the scanner finds, by file, line and rule, and says when there is no scanner", async () => {
    const layout = await healthy();
    const leak = { file: "README.md", line: 7, rule: "github-pat" };
    const found = await look(layout, ["repo"], { scanSecrets: async () => [leak] });
    expect(told(found, "problem")).toEqual([
      expect.stringMatching(/README\.md:7 \| looks like a secret \(github-pat\)/),
    ]);
    const { scanSecrets: _, ...without } = { scanSecrets: undefined };
    const blind = await examine(
      { layout, hosts: [host], environment: {}, sops, signal: new AbortController().signal, ...without },
      ["repo"],
    );
    expect(told(blind)).toEqual([expect.stringMatching(/^not checked \| secret scan/)]);
    expect([exitCodeOf(blind, false), exitCodeOf(blind, true)]).toEqual([0, 6]);
  });
});

async function track(root: string, file: string) {
  mkdirSync(join(root, file, ".."), { recursive: true });
  writeFileSync(join(root, file), "x");
  await execa("git", ["add", "-f", file], { cwd: root });
}

describe("the scope stack finds", () => {
  const file = (layout: Layout) => hostLayoutOf(layout, host);
  it.each<[string, (layout: Layout) => Promise<unknown> | unknown, RegExp]>([
    ["no token", ({ dir }) => writePrivateFile(join(dir, ".env"), ""), /^problem \| tokens .*HCLOUD_TOKEN: missing/],
    [
      "a .env that others can read",
      ({ dir }) => chmodSync(join(dir, ".env"), 0o644),
      /^problem \| tokens .*mode 0644.*chmod 600/,
    ],
    [
      "a state without its passphrase",
      ({ passphrase }) => rmSync(passphrase),
      /^problem \| passphrase .*restore it from a backup/,
    ],
    [
      "a broken stack file, and goes on",
      (layout) => writeFileSync(file(layout).stackFile, "config: ["),
      /^problem \| settings .*Pulumi\.web-1\.yaml.*\nnot checked \| keys and secrets/,
    ],
    [
      "a broken stack.json, and goes on",
      ({ stackJson }) => writeFileSync(stackJson, "{"),
      /^problem \| settings .*stack\.json.*\n(.*\n)*not checked \| keys and secrets/,
    ],
    [
      "files that disagree",
      (layout) => addToStackFile(layout, host, { serverType: "cx23" }, ["serverType"]),
      /^problem \| settings .*Make them the same/,
    ],
    [
      "a bot that anyone can talk to, and what is only a warning",
      async (layout) => {
        mkdirSync(join(layout.root, "bots/maren"), { recursive: true });
        const open = "{ gateway: { mode: 'local' }, channels: { discord: { dmPolicy: 'open' } } }";
        writeFileSync(join(layout.root, "bots/maren/openclaw.json"), open);
        await addToStackFile(layout, host, { bots: ["maren"] }, ["bots"]);
      },
      /^problem \| bots .*openclaw\.json.*anyone can send.*\n(.*\n)*warning \| bots /,
    ],
    [
      "exposure to the admins",
      (layout) => addToStackFile(layout, host, { sshExposure: "public" }),
      /^warning \| exposure .*open to the admin networks/,
    ],
    [
      "a window kept open",
      (layout) => addToStackFile(layout, host, { sshExposure: "bootstrap" }),
      /^warning \| exposure .*until you close it \| clawdlets lockdown --host web-1/,
    ],
    [
      "a secret that is missing",
      (layout) => rmSync(join(file(layout).secrets, "admin_password_hash.yaml")),
      /^problem \| secrets .*admin_password_hash: missing/m,
    ],
    [
      "an identity that is missing",
      (layout) => rmSync(file(layout).identity),
      /^problem \| age identity .*no such file/m,
    ],
    [
      "a host key that is missing",
      (layout) => rmSync(file(layout).hostKey),
      /^problem \| ssh keys .*host key: missing/m,
    ],
    [
      "a rotation half done",
      ({ secrets }) =>
        writePrivateFile(
          join(secrets, "hosts", `${host}.rotation.json`),
          JSON.stringify({ version: 1, from: "a", to: "b", step: "both", startedAt: "2026-01-01" }),
        ),
      /^problem \| rotation .*clawdlets secrets rotate --host web-1/m,
    ],
    ["a sops file without the host's rule", ({ sopsConfig }) => rmSync(sopsConfig), /^warning \| sops rules /m],
    [
      "no identity of the operator",
      (layout) => rmSync(openHost(layout, host).store.operatorFile),
      /^warning \| operator's identity /m,
    ],
    [
      "a run that was killed",
      (layout) => writeState(layout, known(), [{ type: "creating", resource: known()[0] }]),
      /^warning \| state .*killed during a change \| clawdlets up --host web-1/,
    ],
    [
      "a state that is not Pulumi's",
      (layout) => writeFileSync(join(layout.state, ".pulumi/stacks/clawdlets", `${host}.json`), "{"),
      /^problem \| state .*is truncated/m,
    ],
  ])("%s", async (_, spoil, text) => {
    const layout = await healthy();
    await spoil(layout);
    const findings = await look(layout, ["stack"]);
    const all = told(findings).filter((each) => !each.includes("the console is the only way in"));
    expect(all.join("\n")).toMatch(text);
  });

  it("what can be said without sops", async () => {
    const findings = await look(await healthy(), ["stack"], { sops: undefined });
    expect(told(findings, "not checked")).toEqual([
      expect.stringMatching(/cannot test decryption: sops is not installed/),
    ]);
  });
});

describe("the scope deploy finds", () => {
  it("orphans, with what each costs a month", async () => {
    const layout = await healthy();
    rmSync(layout.state, { recursive: true });
    await done(world.lab, "POST", "/ssh_keys", {
      name: "web-9-bootstrap",
      public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ3YzUSlKdnWtGUmRGYcnKQKiXRiJIJjFVUeDBHbVrV x",
      labels: { ...labels, "clawdlets-host": "web-9" },
    });
    const findings = (await look(layout, ["deploy"])).filter(({ check }) => check === "orphans");
    const { prices } = (await world.lab.api("GET", `/servers/${world.server.id}`)).body.server.server_type;
    const gross = Number(prices[0].price_monthly.gross).toFixed(2);
    expect(told(findings)).toEqual([
      expect.stringContaining(
        `the server "web-1" (${world.server.id}) is in no state on this machine; ${gross} EUR a month`,
      ),
      expect.stringMatching(/the key "web-9-bootstrap" \(\d+\) .*costs nothing \| .*hcloud ssh-key delete/),
      expect.stringMatching(/the firewall "web-1-fw" \(\d+\) .*costs nothing/),
    ]);
    expect(findings.map((each) => each.host)).toEqual(["web-1", "web-9", "web-1"]);
    // With the state in a bucket, all of them would look like this: nothing is advised to be deleted.
    appendFileSync(join(layout.root, "Pulumi.yaml"), "backend:\n  url: s3://acme-pulumi?region=nbg1\n");
    const shared = (await look(layout, ["deploy"])).filter(({ check }) => check === "orphans");
    expect(told(shared)).toEqual([expect.stringContaining("the engine's state is not on this machine")]);
    for (const { id } of (await world.lab.api("GET", "/ssh_keys")).body.ssh_keys)
      await world.lab.api("DELETE", `/ssh_keys/${id}`);
  });

  it("an open port, which is what it ends with", async () => {
    await world.setRules([ping, ssh("0.0.0.0/0")]);
    const findings = await look(await healthy(), ["deploy"]);
    expect(told(findings, "problem")[0]).toMatch(
      /^problem \| lockdown .*an undeclared rule.* \| clawdlets lockdown --host web-1$/,
    );
    expect(exitCodeOf(findings, false)).toBe(8);
  });

  it("a server that is off, of which nothing is known, and ends with a code of its own", async () => {
    const power = (to: string) => world.lab.api("POST", `/_emulator/servers/${world.server.id}/power-${to}`);
    await power("cut");
    const findings = await look(await healthy(), ["deploy"]);
    await power("on");
    expect(told(findings, "problem")).toEqual([
      expect.stringMatching(/^problem \| lockdown .*the server is off, not running/),
    ]);
    expect(exitCodeOf(findings, false)).toBe(13);
  });

  it("windows that were left", async () => {
    await world.addFirewall("left", [], { labels: windowOf(host) });
    await world.addFirewall("open", [ssh(admin)], { labels: windowOf(host) });
    const findings = (await look(await healthy(), ["deploy"])).filter(({ check }) => check === "windows");
    expect(told(findings)).toEqual([
      expect.stringMatching(/emptied window "left"/),
      expect.stringMatching(/window "open" \(\d+\) is open on a server/),
    ]);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["a type that is not sold", { serverType: "cx99" }, /^problem \| catalogue .*"cx99" is not sold by Hetzner/m],
    ["an image that is not there", { image: "debian-99" }, /^problem \| catalogue .*debian-99/m],
  ])("%s", async (_, settings, text) => {
    const layout = await healthy();
    const [[key]] = Object.entries(settings) as [[string, unknown]];
    await addToStackFile(layout, host, settings, [key as "image"]);
    if (key === "serverType") {
      const stack = JSON.parse((await execa("cat", [layout.stackJson])).stdout);
      stack.hosts[host].hetzner.serverType = settings["serverType"];
      writeFileSync(layout.stackJson, JSON.stringify(stack));
    }
    expect(told(await look(layout, ["deploy"])).join("\n")).toMatch(text);
  });

  it("no network: what could not be checked is said, and what can be is", async () => {
    const layout = await healthy();
    const env = join(layout.dir, ".env");
    const text = readFileSync(env, "utf8");
    writeFileSync(env, text.replace(/HCLOUD_ENDPOINT=.*/, "HCLOUD_ENDPOINT=http://127.0.0.1:9/v1"));
    const findings = await look(layout, ["deploy"]);
    expect(told(findings)).toEqual([
      expect.stringMatching(/^not checked \| Hetzner .*did not answer/),
      expect.stringMatching(/^not checked \| hosts and orphans/),
    ]);
    expect(findings.filter(({ status }) => status === "ok").map(({ check }) => check)).toEqual(
      expect.arrayContaining(["ssh", "git", "nixos-anywhere"]),
    );
    expect([exitCodeOf(findings, false), exitCodeOf(findings, true)]).toEqual([0, 6]);
  });

  it("a token that Hetzner refuses", async () => {
    const findings = await look(await healthy(), ["deploy"], { environment: { HCLOUD_TOKEN: "b".repeat(64) } });
    expect(told(findings, "problem")).toEqual([
      expect.stringMatching(/^problem \| Hetzner .*unauthorized.*Check HCLOUD_TOKEN/),
    ]);
    expect(exitCodeOf(findings, false)).toBe(6);
  });

  it("the tailnet's client stopped where the tailnet is the way in", { timeout: 90_000 }, async () => {
    const layout = await healthy();
    await addToStackFile(layout, host, { tailnet: "tailscale" }, ["tailnet"]);
    const tailscale = join(temporaryFolder(), "tailscale");
    writeFileSync(tailscale, `#!/bin/sh\necho '{"BackendState":"Stopped"}'\n`, { mode: 0o700 });
    const findings = await look(layout, ["deploy"], { environment: { CLAWDLETS_TAILSCALE: tailscale } });
    expect(told(findings).join("\n")).toMatch(/^problem \| tailscale .*stopped on this machine.*tailscale up/m);
  });

  it("the tailnet's client missing where the tailnet is the way in", async () => {
    const layout = await healthy();
    await addToStackFile(layout, host, { tailnet: "tailscale" }, ["tailnet"]);
    const findings = await look(layout, ["deploy"], { environment: { CLAWDLETS_TAILSCALE: "/nowhere/tailscale" } });
    expect(told(findings).join("\n")).toMatch(/^problem \| tailscale .*not on PATH/m);
    expect(existsSync("/nowhere/tailscale")).toBe(false);
  });
});
