import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readJournal } from "../../../../core/host/journal.ts";
import { probePort } from "../../../../core/host/reach/probe.ts";
import { hostLayoutOf } from "../../../../core/project/layout.ts";
import { mintedMark } from "../../../../core/project/secrets/plan.ts";
import { addToStackFile } from "../../../../core/project/settings/stack-file.ts";
import { engineEnvironment } from "../../../../engine/environment.ts";
import { findEngine } from "../../../../engine/find-engine.ts";
import { describeWith } from "../../../_needs.ts";
import { repository } from "../../../_repository.ts";
import { needs, TailnetLab, until } from "../_lab.ts";
import { InstalledHost } from "./_installed-host.ts";
import { filesBelow, Leaks } from "./_leaks.ts";
import { Operator } from "./_operator.ts";

/**
 * One host in a real tailnet, from nothing to nothing; the tests of this file build on each other.
 *
 * Real: the commands, each a process of its own; Pulumi's engine and our provider; headscale with TLS and its API; tailscaled of the host
 * and of the operator, who has no tunnel device; nix/host/join-tailnet.sh; sops and age; ssh and sshd.
 * Not real: Hetzner, the machine with its disk and what runs on it, and the installer, which are the emulator's. _installed-host.ts
 * joins the two. systemd repeats the join unit on a host; here a loop does.
 */
const programs = [...needs.programs, "sshd", "nsenter", "unshare", "mount", "git"];
const canary = () => `canary${randomBytes(6).toString("hex")}-0123456789`;

describeWith({ ...needs, programs }, "a host in a real tailnet", () => {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-bootstrap-"));
  const planted = `planted-${canary()}`;
  const leaks = new Leaks();
  const figures: string[] = [];
  let lab: TailnetLab;
  let operator: Operator;
  let server: InstalledHost;
  /** The stack's state with its secrets decrypted, when the host had been installed twice. */
  let state = "";

  beforeAll(async () => {
    lab = await TailnetLab.start();
    const credentials = {
      HEADSCALE_API_KEY: String(await lab.headscale("apikeys", "create", "--expiration", "1h")),
      // Unused with headscale, and withheld all the same.
      TAILSCALE_OAUTH_CLIENT_ID: "kcanary0123456789",
      TAILSCALE_OAUTH_CLIENT_SECRET: `tskey-client-${canary()}`,
    };
    await leaks.watchFor("planted", planted);
    await leaks.watchFor("oauth", credentials.TAILSCALE_OAUTH_CLIENT_SECRET);
    await leaks.watchFor("apiKey", credentials.HEADSCALE_API_KEY);
    const onMinted = (key: string) => leaks.watchFor(`minted ${leaks.names.length - 2}`, key);
    operator = await Operator.start({ lab, folder, credentials, onMinted });
    const sops = findEngine(repository)?.sops ?? "sops";
    server = await InstalledHost.start({ lab, demo: operator.demo, data: join(folder, "emulator"), sops });
  }, 900_000);

  afterAll(async () => {
    await leaks.stop();
    await server?.stop();
    await operator?.stop();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const journal = () => readJournal(hostLayoutOf(operator.demo.layout, operator.demo.host).journal);
  const emulated = async () => (await operator.demo.report()).servers.find(({ name }) => name === operator.demo.host);
  /** The tailnet's machines besides the operator's, as the control server knows them. */
  const nodes = async () => {
    const all = (await lab.headscale("nodes", "list")) as { id: number; given_name: string }[];
    return all.map(({ id, given_name: name }) => ({ id: String(id), name })).filter(({ name }) => name !== "operator");
  };

  /** Runs a command, and notes what it asked the control server. @returns these requests */
  async function requestsOf(what: string, ...args: string[]): Promise<string[]> {
    const [before, tries] = [operator.door.requests.length, server.tries.length];
    await operator.succeed(...args);
    const requests = operator.door.requests.slice(before);
    figures.push(`${what}: ${requests.length} requests to the API, ${server.tries.length - tries} joins tried`);
    return requests;
  }

  /** After an installation: closed, in the tailnet under its own name, and nobody has a usable key any more. */
  async function expectSettled(): Promise<void> {
    const { host, sshPort } = operator.demo;
    expect(journal()).toMatchObject({ state: "done", tailnet: { former: [] } });
    expect(journal()?.tailnet?.key).toBeUndefined();
    expect(await nodes()).toEqual([{ id: journal()?.tailnet?.device?.id, name: host }]);
    expect(await probePort((await emulated())?.ipv4 ?? "", sshPort, { timeoutMs: 2000 })).toBe("refused");
    expect(await server.authKey()).toBe(mintedMark);
    expect(await server.join()).toMatchObject({ exitCode: 0, state: "joined" });
  }

  it("is not there before it is installed", async () => {
    expect(await operator.status("before")).toMatchObject({ client: { ok: true }, machines: [] });
  });

  it("joins with a minted key, is proved and closed, and then nobody has the key", async () => {
    expect(await requestsOf("up", "up", "--host", operator.demo.host)).toEqual([
      "GET node 200", // Before anything is bought.
      "GET node 200", // Before the disk is wiped.
      "POST preauthkey 200",
      "GET node 200", // Which device it has become.
      "POST preauthkey/expire 200",
    ]);
    expect(operator.printed.join("\n")).toMatch(/locked down: .*TCP\/22 is refused .*tailnet answers/);
    await expectSettled();
    expect(await operator.status("installed")).toMatchObject({ machines: [{ isHost: true, tags: ["tag:bot-host"] }] });
  }, 300_000);

  it("is reached while the control server is down, and comes back when it was rebooted meanwhile", async () => {
    await lab.stopControl();
    const tries = server.tries.length;
    try {
      expect(await operator.reaches()).toBe(true);
      expect(await operator.status("control server down")).toMatchObject({ machines: [{ isHost: true }] });
      const before = await emulated();
      await operator.powerCycle(before?.id ?? 0);
      await until("it has booted again", async () => (await emulated())?.bootId !== before?.bootId);
      await until("it has tried to join", async () => server.tries.length > tries, 60);
      const { machines } = await operator.status("rebooted, control server down");
      // Silent, or reached already: never taken for another machine.
      expect(machines.map(({ isHost }) => isHost)).not.toContain(false);
    } finally {
      await lab.startControl();
    }
    await server.untilJoined();
    await until("it is reached again", () => operator.reaches(), 90);
    await operator.status("control server back");
    figures.push(`reboot while the control server was down: ${server.tries.length - tries} joins tried`);
  }, 240_000);

  it("keeps its name when it is installed again: the old device is gone", async () => {
    const { layout, host } = operator.demo;
    const [old] = await nodes();
    await addToStackFile(layout, host, { reinstall: 1 }, ["reinstall"]);
    expect(await requestsOf("up with reinstall", "up", "--host", host)).toEqual([
      "GET node 200",
      "GET node/ID 200", // Whether the recorded device still has its node key.
      "DELETE node/ID 200",
      "POST preauthkey 200",
      "GET node 200",
      "POST preauthkey/expire 200",
    ]);
    await expectSettled();
    expect((await nodes()).map(({ id }) => id)).not.toContain(old?.id);
    await operator.status("installed again");
    const engine = findEngine(repository);
    if (!engine) throw new Error("no engine in .toolchain: run scripts/setup.sh");
    const exported = ["stack", "export", "--show-secrets", "--stack", host, "--non-interactive"];
    const { stdout } = await execa(engine.pulumi, exported, {
      cwd: layout.root,
      env: engineEnvironment(layout, engine),
    });
    state = stdout;
  }, 300_000);

  it("leaves the tailnet when it is destroyed", async () => {
    const requests = await requestsOf("destroy", "destroy", "--host", operator.demo.host, "--yes");
    expect(requests).toEqual(["GET node/ID 200", "DELETE node/ID 200"]);
    expect(await nodes()).toEqual([]);
    await operator.status("destroyed");
  }, 120_000);

  it("has shown no key and no credential in a process, a file, the state or a line, where a planted text is found", async () => {
    const { layout } = operator.demo;
    await execa("git", ["add", "--all"], { cwd: layout.root });
    const staged = (await execa("git", ["diff", "--cached", "--text", "HEAD"], { cwd: layout.root })).stdout;
    const commits = (await execa("git", ["log", "-p", "--text", "--all"], { cwd: layout.root })).stdout;
    const places = () => ({
      ...filesBelow([folder, lab.folder], (path) => path === join(layout.dir, ".env")),
      "the state": state,
      "the git tree": `${commits}${staged}`,
      "what was printed": operator.printed.join("\n"),
    });
    expect(leaks.names).toEqual(["planted", "oauth", "apiKey", "minted 1", "minted 2"]);
    expect(state).toContain("ssh_keys");
    expect([leaks.inTexts(places()), leaks.inProcesses]).toEqual([[], []]);
    const log = join(hostLayoutOf(layout, operator.demo.host).logs, "planted.log");
    writeFileSync(log, `${planted}\n`);
    const shows = execa("sh", ["-c", "read -r line", planted]);
    await until("the watch sees it", async () => leaks.inProcesses.length > 0);
    shows.kill();
    await shows.catch(() => undefined);
    expect(leaks.inTexts(places())).toEqual([`planted: ${log}`]);
    expect(leaks.inProcesses).toEqual([expect.stringMatching(/^planted: arguments of /)]);
    process.stdout.write(
      `${[...operator.states, ...figures, `${leaks.looks} command lines and environments read`].join("\n")}\n`,
    );
  }, 60_000);
});
