import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ensureSshKey } from "../../core/base/machine/ssh-keys.ts";
import { layoutOf } from "../../core/project/layout.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { checkTool } from "../_check-tools.ts";
import { leaveOut } from "../_needs.ts";
import { allPages } from "../docs/_pages.ts";
import { namedParts } from "../toolchain/_named-parts.ts";
import { type Bucket, startBucket } from "./_bucket.ts";
import { type Example, must, prepareExample } from "./_example.ts";

/**
 * docs/operators.md as two operators follow it, each in a clone with a `.clawdlets/` and a home of their own, with one state in a bucket
 * of a real S3 server.
 */
let parent = "";
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  if (parent !== "") rmSync(parent, { recursive: true, force: true });
});

let versitygw: string | undefined;
beforeAll(async () => {
  versitygw = await checkTool("versitygw"); // Built once, in minutes.
}, 1_200_000);

/** The page's commands, a line each, in its order. */
async function linesOfPage(): Promise<string[]> {
  const page = (await allPages()).find(({ file }) => file === "docs/operators.md");
  const shell = page?.snippets.filter(({ kind }) => kind === "sh") ?? [];
  return shell.flatMap(({ text }) => text.trim().split("\n"));
}

interface Running extends PromiseLike<{ exitCode?: number | undefined; all: unknown; stdout: unknown }> {
  pid?: number | undefined;
}

interface Operator {
  folder: string;
  home: string;
  /** Runs a line as it is typed, in a process group of its own. */
  start: (line: string) => Running;
  run: (line: string) => ReturnType<Example["shell"]>;
}

function operatorAt(folder: string, home: string, env: Record<string, string>): Operator {
  const names = {
    GIT_AUTHOR_NAME: "x",
    GIT_AUTHOR_EMAIL: "x@x.invalid",
    GIT_COMMITTER_NAME: "x",
    GIT_COMMITTER_EMAIL: "x@x.invalid",
  };
  const path = `${join(folder, "node_modules/.bin")}:${process.env["PATH"]}`;
  const all = { ...names, ...namedParts(), ...env, PATH: path, HOME: home, AWS_EC2_METADATA_DISABLED: "true" };
  const start = (line: string) =>
    execa("bash", ["--norc", "-euo", "pipefail", "-c", line], {
      cwd: folder,
      env: all,
      extendEnv: false,
      reject: false,
      all: true,
      stdin: "ignore",
      detached: true,
    });
  const run = async (line: string) => {
    const { exitCode, all: said, stdout } = await start(line);
    return { exitCode, all: String(said), stdout: String(stdout) };
  };
  return { folder, home, start, run };
}

const emulatorFaults = async ({ emulator }: Example, faults: unknown[]) => {
  const url = new URL("/_emulator/faults", emulator.endpoint);
  const headers = { authorization: `Bearer ${emulator.token}`, "content-type": "application/json" };
  const { status } = await fetch(url, { method: "POST", headers, body: JSON.stringify(faults) });
  expect(status).toBeLessThan(300);
};
const setRules = { method: "POST", path: "/firewalls/{id}/actions/set_rules" };

/** Adds a rule to the firewall that the stack file declares, and brings it to the other operator. */
async function changeFirewall({ folder, run }: Operator, port: number): Promise<void> {
  const file = join(folder, "stacks/Pulumi.web-1.yaml");
  const rule = `  clawdlets:firewallRules: [{ protocol: tcp, port: "${port}", sourceIps: [203.0.113.0/24] }]\n`;
  const text = readFileSync(file, "utf8").replace(/^ {2}clawdlets:firewallRules:.*\n/m, "");
  writeFileSync(file, text.replace("config:\n", `config:\n${rule}`));
  await must(run(`git add stacks && git commit -m 'Open port ${port}' && git push`));
}

/** The ports that the server's own firewall lets in, at Hetzner. */
async function openPorts({ emulator }: Example): Promise<string[]> {
  const headers = { authorization: `Bearer ${emulator.token}` };
  const answer = await fetch(`${emulator.endpoint}/firewalls`, { headers });
  const { firewalls } = (await answer.json()) as { firewalls: { rules: { port: string | null }[] }[] };
  return firewalls.flatMap(({ rules }) => rules.flatMap(({ port }) => port ?? []));
}

/** Ends a process with all that it started, like a machine that lost its power. */
async function killAll(running: Running): Promise<void> {
  const { stdout } = await execa("ps", ["-A", "-o", "pid=,ppid="]);
  const pairs = stdout.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  const found = [running.pid ?? 0];
  for (const each of found) found.push(...pairs.flatMap(([pid = 0, parentId]) => (parentId === each ? [pid] : [])));
  for (const pid of found) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Ended already.
    }
  }
  await running;
}

const locksIn = (bucket: Bucket) => {
  const folder = join(bucket.folder, ".pulumi/locks");
  return existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"))
    : [];
};

/** The page's commands, in its order, and who types them. */
const lines = {
  join: "clawdlets operator join --ssh-pubkey ~/.ssh/id_ed25519.pub", // Bea
  add: "clawdlets operator add bea --age age1… --ssh-key bea.pub", // Ada
  handover: "clawdlets operator handover bea bea.handover",
  push: "git add stacks && git commit -m 'Let bea in' && git push",
  rebuild: "clawdlets rebuild --host web-1",
  pull: "git pull", // Bea
  take: "clawdlets operator join bea.handover --admin-cidr 198.51.100.7/32 --ssh-pubkey ~/.ssh/id_ed25519.pub",
  doctor: "clawdlets doctor",
  again: "clawdlets operator handover bea bea.handover --force", // Ada
  up: "clawdlets up --host web-1", // both
  cancel: 'eval "$(npx --no-install clawdlets env)" && pulumi cancel --yes --stack web-1', // Bea
  upAgain: "clawdlets up --host web-1",
  removeDry: "clawdlets operator remove bea --dry-run", // Ada
  remove: "clawdlets operator remove bea",
};

describe("docs/operators.md", () => {
  it("works word for word for two operators with one state in a bucket, and nobody is overtaken", async (context) => {
    expect(await linesOfPage()).toEqual(Object.values(lines));
    if (versitygw === undefined) return leaveOut(context, "two operators", "versitygw is not built");
    parent = mkdtempSync(join(tmpdir(), "clawdlets-operators-"));
    const example = await prepareExample("s3-state", parent, ["web-1"]);
    closing.push(() => example.close());
    const bucket = await startBucket(versitygw, parent, "acme-pulumi");
    closing.push(() => bucket.close());
    const file = join(example.folder, "Pulumi.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace("https://nbg1.your-objectstorage.com", bucket.endpoint));
    const homes = { ada: join(parent, "home-ada"), bea: join(parent, "home-bea") };
    for (const home of Object.values(homes)) mkdirSync(join(home, ".ssh"), { recursive: true });
    await ensureSshKey(join(homes.bea, ".ssh/id_ed25519"), "bea");
    // As init has it in a clone of a repository at GitHub: the host may be changed later.
    await addToStackFile(layoutOf(example.folder), "web-1", { rebuild: { repository: "github:acme/bots" } }, [
      "rebuild",
    ]);
    const ada = operatorAt(example.folder, homes.ada, { ...bucket.env, USER: "ada" });
    await execa("git", ["init", "--quiet", "--bare", "--initial-branch=main", join(parent, "origin.git")]);
    await must(
      ada.run(
        `git add Pulumi.yaml stacks && git commit -m 'State in a bucket' && git remote add origin ${parent}/origin.git && git push --set-upstream origin main`,
      ),
    );
    await must(ada.run("clawdlets up --host web-1"));
    const clone = join(parent, "clone");
    await execa("git", ["clone", "--quiet", join(parent, "origin.git"), clone]);
    cpSync(join(ada.folder, "node_modules"), join(clone, "node_modules"), { recursive: true, verbatimSymlinks: true });
    symlinkSync(join(ada.folder, ".toolchain"), join(clone, ".toolchain"));
    const bea = operatorAt(clone, homes.bea, { ...bucket.env, USER: "bea" });

    const said = await must(bea.run(lines.join));
    const recipient = /age1[a-z0-9]{50,}/.exec(said)?.[0] ?? "";
    cpSync(join(homes.bea, ".ssh/id_ed25519.pub"), join(ada.folder, "bea.pub"));
    await must(ada.run(lines.add.replace("age1…", recipient)));
    for (const line of [lines.handover, lines.push, lines.rebuild]) await must(ada.run(line));
    const take = async () => {
      cpSync(join(ada.folder, "bea.handover"), join(bea.folder, "bea.handover"));
      await must(bea.run(lines.take.replace("198.51.100.7/32", "127.0.0.1/32")));
    };
    await must(bea.run(lines.pull));
    await take();
    // A token of her own, as the page says; the emulator has one.
    cpSync(join(ada.folder, ".clawdlets/.env"), join(bea.folder, ".clawdlets/.env"));
    const looked = await bea.run(lines.doctor);
    expect(looked.exitCode, looked.all).toBe(0);
    expect(looked.all).not.toContain("hcloud server delete");
    await must(bea.run("clawdlets verify --host web-1"));
    await must(ada.run(lines.again));
    await take();

    // Both at once.
    await changeFirewall(ada, 8443);
    await must(bea.run(lines.pull));
    await emulatorFaults(example, [{ match: setRules, fault: { connection: "hang" } }]);
    const first = ada.start(lines.up);
    closing.push(() => killAll(first));
    await vi.waitUntil(() => locksIn(bucket).length > 0, { timeout: 120_000, interval: 100 });
    const second = await bea.run(`${lines.up} --json`);
    expect(second.exitCode, second.all).toBe(5);
    const busy = /up was not started: an engine of \S+ on \S+ \(process \d+, since 2\S+\) is working on this stack/;
    expect(JSON.parse(second.stdout).problems).toMatchObject([
      { code: "busy", subject: "web-1", problem: expect.stringMatching(busy) },
    ]);
    expect(await openPorts(example)).not.toContain("8443");

    // Ada's machine is gone in the middle of it. Bea takes over.
    await killAll(first);
    await emulatorFaults(example, []);
    const locked = await bea.run(lines.up);
    expect(locked.exitCode, locked.all).toBe(5);
    expect(locked.all).toContain("pulumi cancel --yes --stack web-1");
    await must(bea.run(lines.cancel));
    await must(bea.run(lines.upAgain));
    expect(await openPorts(example)).toContain("8443");
    expect(locksIn(bucket)).toEqual([]);

    // Bea is removed while a change of hers is under way, which ends as she began it.
    await changeFirewall(bea, 9443);
    await emulatorFaults(example, [{ match: setRules, fault: { delayMs: 30_000 } }]);
    const hers = bea.start(lines.up);
    closing.push(() => killAll(hers));
    await vi.waitUntil(() => locksIn(bucket).length > 0, { timeout: 120_000, interval: 100 });
    await must(ada.run(lines.pull));
    await must(ada.run(lines.removeDry));
    const removed = await ada.run(lines.remove);
    expect(removed.exitCode, removed.all).toBe(0);
    expect((await ada.run(lines.up)).exitCode).toBe(5);
    const { exitCode, all } = await hers;
    expect(exitCode, String(all)).toBe(0);
    await emulatorFaults(example, []);
    // What the command itself says is left to do.
    const next = [...removed.all.matchAll(/^next: ((?:git|clawdlets) .*)$/gm)].map(([, line = ""]) => line);
    expect(next).toHaveLength(2);
    for (const line of [...next, lines.up]) await must(ada.run(line));
    const { operators } = JSON.parse(await must(ada.run("clawdlets operator list --json")));
    expect(operators).toMatchObject([{ isYou: true }]);
    const ofBea = readFileSync(join(homes.bea, ".ssh/id_ed25519.pub"), "utf8").split(" ")[1] ?? "";
    expect(readFileSync(join(ada.folder, "stacks/Pulumi.web-1.yaml"), "utf8")).not.toContain(ofBea);
    expect(await openPorts(example)).toContain("9443");
  }, 900_000);
});
