import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { labelsOf } from "../../../core/base/hetzner/labels.ts";
import { addToStackFile } from "../../../core/project/settings/stack-file.ts";
import { verifyEverything } from "../../../core/tasks/verify.ts";
import { repository } from "../../_repository.ts";
import { ActivationLab } from "../../core/host/activation/_lab.ts";
import { pageOf } from "../../docs/_pages.ts";
import { commandsIn } from "../../docs/_shell.ts";

/** docs/backups.md, done step by step to a host of the emulator, where backups are simulated. */
const page = pageOf("docs/backups.md", readFileSync(join(repository, "docs/backups.md"), "utf8"));
const commands = page.snippets.filter(({ kind }) => kind === "sh").flatMap(({ text }) => commandsIn(text));
const [yaml = ""] = page.snippets.filter(({ kind }) => kind === "yaml").map(({ text }) => text);

let lab: ActivationLab;
beforeAll(async () => {
  lab = await ActivationLab.open();
  await declareFirewall();
}, 300_000);
afterAll(() => lab?.close());

const host = () => lab.demo.host;
const json = async (...args: string[]) => {
  const { stdout, stderr, exitCode } = await lab.clawdlets([...args, "--json"]);
  expect(stdout, stderr).not.toBe("");
  return { exitCode, ...JSON.parse(stdout) };
};

/** As `up` makes it, which this host did not come from. */
async function declareFirewall(): Promise<void> {
  const ask = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${lab.environment["HCLOUD_TOKEN"]}`, "content-type": "application/json" };
    const answer = await fetch(`${lab.endpoint}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return (await answer.json()) as { firewalls: { id: number }[] };
  };
  const [firewall] = (await ask("GET", "/firewalls")).firewalls;
  const rules = [{ direction: "in", protocol: "icmp", source_ips: ["0.0.0.0/0", "::/0"] }];
  await ask("PUT", `/firewalls/${firewall?.id}`, { name: `${host()}-fw`, labels: labelsOf(host()) });
  await ask("POST", `/firewalls/${firewall?.id}/actions/set_rules`, { rules });
}

/** Does what the page says, in its order, up to the command that begins so. */
async function follow(): Promise<Record<string, { exitCode?: number; all: string }>> {
  const said: Record<string, { exitCode?: number; all: string }> = {};
  for (const [program, ...words] of commands) {
    const args = words.map((word) => (word === "web-1" ? host() : word));
    const text = words.join(" ");
    if (program === "git") {
      await lab.commit("", text);
      continue;
    }
    expect(program).toBe("clawdlets");
    // What a person types at the prompts.
    const values = join(lab.folder, "values.json");
    const keys = { restic_s3_access_key: "canary-access-0123456789", restic_s3_secret_key: "canary-secret-0123456789" };
    writeFileSync(values, JSON.stringify(keys), { mode: 0o600 });
    const typed = text.startsWith("secrets init") ? ["--from-json", values] : [];
    const { exitCode, stdout, stderr } = await lab.clawdlets([...args, ...typed]);
    said[text.replace(" --host web-1", "")] = {
      ...(exitCode !== undefined && { exitCode }),
      all: `${stdout}\n${stderr}`,
    };
  }
  return said;
}

it("the page can be followed, from the setting to a restore in place", { timeout: 300_000 }, async () => {
  const file = join(lab.demo.layout.root, "stacks", `Pulumi.${host()}.yaml`);
  expect(await json("backup", "list", "--host", host())).toMatchObject({
    exitCode: 3,
    problems: [{ code: "missing-setting", setting: "clawdlets:backups" }],
  });
  writeFileSync(
    file,
    readFileSync(file, "utf8").replace(/^config:\n/m, () => `${yaml}\n`),
  );
  expect(await json("backup", "now", "--host", host())).toMatchObject({
    exitCode: 1,
    problems: [{ code: "backup-not-set-up" }],
  });
  const said = await follow();
  const codes = Object.entries(said).filter(([, { exitCode }]) => exitCode !== 0);
  expect(codes).toEqual([]);
  expect(said["backup now"]?.all).toMatch(/^ok {4} maren: last good backup 0 h ago/m);
  expect(said["backup list"]?.all).toMatch(/^[0-9a-f]{8} {2}\S+Z {2}maren$/m);
  expect(said["backup restore maren"]?.all).toContain("they are in /srv/clawdbot/.restored/maren, for root");
  expect(said["backup restore maren --in-place --dry-run"]?.all).toContain("Nothing was changed.");
  expect(said["backup restore maren --in-place --yes"]?.all).toContain(
    "its former files are in /srv/clawdbot/.replaced/maren",
  );
  expect(said["status"]?.all).toMatch(/backups +1, oldest 0(\.\d)? h|1, oldest 0/);
  expect(said["server status"]?.all).toContain("backup of maren: last good backup 0 h ago");

  // Later, and of another bot.
  const [newest] = (await json("backup", "list", "--host", host())).snapshots;
  expect(await json("backup", "restore", "maren", "--snapshot", newest.id, "--dry-run")).toMatchObject({
    ok: true,
    dryRun: true,
    id: newest.id,
  });
  for (const [args, code, exitCode] of [
    [["backup", "restore", "maren", "--in-place"], "usage", 2],
    [["backup", "restore", "maren", "--snapshot", "ffffffff"], "backup-failed", 1],
    [["backup", "restore", "rex", "--host", host()], "usage", 2],
    [["backup", "restore", "maren", "--snapshot", "a;b"], "usage", 2],
    [["backup", "now", "--limit", "0"], "usage", 2],
  ] as const) {
    expect(await json(...args), args.join(" ")).toMatchObject({ exitCode, ok: false, problems: [{ code }] });
  }

  // Each has begun when it says so.
  for (const [args, begun] of [
    [["now"], "backing up"],
    [["check"], "checking the repository"],
    [["restore", "maren", "--in-place", "--yes"], "restoring maren"],
  ] as const) {
    const running = lab.clawdlets(["backup", ...args, "--host", host(), "--json"]);
    const kill = (text: Buffer) => {
      if (!String(text).includes(begun)) return;
      running.stderr.off("data", kill); // What is said then has the same words.
      running.kill("SIGINT");
    };
    running.stderr.on("data", kill);
    const { exitCode, stdout } = await running;
    expect(exitCode, stdout).toBe(130);
    const problem = `stopped by Ctrl-C. ${host()} may be ${begun} now. See how it ended: clawdlets backup list --host ${host()}`;
    expect(JSON.parse(stdout).problems[0]).toEqual({
      code: "stopped",
      subject: "",
      problem: expect.stringContaining(problem),
    });
  }

  const state = JSON.parse((await lab.login("cat /var/lib/clawdlets/backups/state.json")).stdout);
  expect(state.bots.maren.why).toBe("simulated");

  // A bot that was never backed up.
  writeFileSync(
    file,
    readFileSync(file, "utf8").replace(/clawdlets:bots:\s+- maren\n/, "clawdlets:bots:\n    - maren\n    - rex\n"),
  );
  const wrong = "rex: no backup yet; allowed: up to 36 h. Back up now: clawdlets backup now";
  const verified = await json("verify", "--host", host());
  expect(verified).toMatchObject({
    ok: false,
    exitCode: 1,
    hosts: [{ answer: "locked", wrong: [expect.stringContaining(wrong)] }],
  });
  const status = await json("status", "--no-drift", "--host", host());
  expect(status.exitCode).toBe(1);
  expect(status.hosts[0].problems).toEqual(expect.arrayContaining([expect.stringContaining(wrong)]));
});

it("verify warns of a system that is older than the stack file allows", async () => {
  const { layout } = lab.demo;
  const request = { layout, host: host(), environment: lab.environment, signal: new AbortController().signal };
  const inDays = (days: number) => new Date(Date.now() + days * 24 * 3600 * 1000);
  const warning = expect.stringContaining("its system is 40 days old");
  expect((await verifyEverything(request, inDays(40))).warnings).not.toContainEqual(warning);
  await addToStackFile(layout, host(), { rebuild: { maxAgeDays: 39 } });
  expect((await verifyEverything(request, inDays(40))).warnings).toContainEqual(warning);
  expect((await verifyEverything(request, inDays(39))).warnings).not.toContainEqual(
    expect.stringContaining("days old"),
  );
}, 120_000);
