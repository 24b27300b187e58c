import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exitCodes } from "../../../core/base/exit-codes.ts";
import { problemSentence } from "../../../core/base/problem.ts";
import type { PreviewReport } from "../../../engine/preview/plan/report.ts";
import { repository } from "../../_repository.ts";
import { Clone } from "./_clone.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-clone-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const reportOf = (stdout: string): PreviewReport => JSON.parse(stdout);

async function cloneOf(name: string, hosts: readonly string[]): Promise<Clone> {
  const clone = new Clone(join(folder, name));
  for (const host of hosts) await clone.host(host);
  await clone.commit("the hosts");
  return clone;
}

describe("clawdlets preview --ci, in a clone without .clawdlets, token, passphrase or state", () => {
  let clone: Clone;
  beforeAll(async () => {
    clone = await cloneOf("plain", ["web-1", "web-2", "bots-1"]);
    cpSync(join(repository, "stacks/Pulumi.example.yaml"), clone.file("example"));
    await clone.commit("the example");
  });

  test("previews every host, leaves the clone as it was, and leaves nothing else behind", async () => {
    const before = readdirSync(clone.root, { recursive: true }).filter((each) => !String(each).startsWith(".git"));
    const file = readFileSync(clone.file("web-1"), "utf8");
    const temporary = join(folder, "tmp");
    mkdirSync(temporary);
    const { exitCode, stdout, stderr } = await clone.preview(["--all", "--format", "markdown"], { TMPDIR: temporary });
    expect(exitCode, stdout + stderr).toBe(exitCodes.ok);
    expect(stdout).toBe(`### clawdlets preview: 4 hosts, clean; compared with nothing

| | host | would exist | changes | dangerous |
| --- | --- | --- | --- | --- |
| ✅ clean | \`bots-1\` | cx43 in nbg1, debian-12; TCP/22 closed |  |  |
| ✅ clean | \`example\` | cx43 in nbg1, debian-12; TCP/22 closed |  |  |
| ✅ clean | \`web-1\` | cx43 in nbg1, debian-12; TCP/22 closed |  |  |
| ✅ clean | \`web-2\` | cx43 in nbg1, debian-12; TCP/22 closed |  |  |`);
    expect(readdirSync(clone.root, { recursive: true }).filter((each) => !String(each).startsWith(".git"))).toEqual(
      before,
    );
    expect(readFileSync(clone.file("web-1"), "utf8"), "the salt is the operator's").toBe(file);
    expect(readdirSync(temporary)).toEqual([]);
  }, 120_000);

  test("the program sees nothing of this shell: no token, no home, no .clawdlets", async () => {
    const spy = await cloneOf("spy", ["web-1"]);
    // By an error, which is the only way out for a program.
    spy.edit(
      "index.ts",
      'import * as pulumi from "@pulumi/pulumi";',
      `import * as pulumi from "@pulumi/pulumi";
      import * as fs from "node:fs";
      const { HCLOUD_TOKEN: token, HCLOUD_ENDPOINT: endpoint, HOME: home } = process.env;
      const canary = JSON.stringify(process.env).includes("canary-of-the-job");
      throw new Error("seen " + JSON.stringify({ canary, length: token.length, endpoint, home, git: fs.existsSync(".git") }));`,
    );
    const token = "canary-of-the-job";
    const environment = {
      HCLOUD_TOKEN: token,
      GITHUB_TOKEN: token,
      PULUMI_ACCESS_TOKEN: token,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: token,
    };
    const { exitCode, stdout } = await spy.preview(["--all", "--format", "json"], environment);
    expect(exitCode, stdout).toBe(exitCodes.settings);
    const said = reportOf(stdout).hosts[0]?.problems.map(problemSentence)[0] ?? "";
    const seen = JSON.parse(/seen (\{.*?\})/.exec(said)?.[1] ?? said);
    expect(seen).toMatchObject({ canary: false, length: 64, endpoint: "http://127.0.0.1:9", git: false });
    expect(seen.home).not.toContain("nobody");
  }, 120_000);

  test("a host whose place is drawn is said by its candidates, and an edited list changes nothing that exists", async () => {
    const drawn = new Clone(join(folder, "drawn"));
    await drawn.host("web-1", { location: ["nbg1", "fsn1", "hel1"], serverTypes: ["cpx32"] });
    await drawn.commit("the host");
    const alone = await drawn.preview(["--all", "--format", "json"]);
    expect(reportOf(alone.stdout).hosts[0]).toMatchObject({
      verdict: "clean",
      exists: "one of cx43, cpx32 in one of nbg1, fsn1, hel1, debian-12; TCP/22 closed",
    });
    const text = readFileSync(drawn.file("web-1"), "utf8");
    writeFileSync(drawn.file("web-1"), text.replace(/\n +- fsn1/, "").replace(/\bfsn1, /, ""));
    expect(readFileSync(drawn.file("web-1"), "utf8")).not.toContain("fsn1");
    const edited = await drawn.preview(["--all", "--base", "HEAD", "--format", "json"]);
    expect(reportOf(edited.stdout).hosts[0]).toMatchObject({ changes: [], dangers: [] });
  }, 120_000);

  test("a new host, a resize, an opening and a reinstallation are told apart against a base", async () => {
    const change = await cloneOf("change", ["same", "resized", "opened", "wiped", "gone"]);
    change.edit("stacks/Pulumi.resized.yaml", "cx43", "cx53");
    change.edit("stacks/Pulumi.opened.yaml", "config:", "config:\n  clawdlets:sshExposure: public");
    change.edit("stacks/Pulumi.wiped.yaml", "config:", "config:\n  clawdlets:reinstall: 1");
    change.remove("stacks/Pulumi.gone.yaml");
    await change.host("added");
    const { exitCode, stdout, stderr } = await change.preview(["--all", "--base", "HEAD", "--format", "json"]);
    expect(exitCode, stdout + stderr).toBe(exitCodes.dangerous);
    const hosts = Object.fromEntries(reportOf(stdout).hosts.map((each) => [each.host, each]));
    const verdicts = Object.fromEntries(Object.values(hosts).map(({ host, verdict }) => [host, verdict]));
    expect(verdicts, stdout).toEqual({
      same: "clean",
      resized: "changes",
      opened: "dangerous",
      wiped: "dangerous",
      gone: "dangerous",
      added: "changes",
    });
    expect(hosts["resized"]?.changes).toEqual([
      { op: "update", resource: "resized-server", kind: "Server", properties: ["serverType"] },
    ]);
    expect(hosts["resized"]?.notes).toEqual([expect.stringMatching(/POWER IS CUT to change it from cx43 to cx53/)]);
    expect(hosts["added"]?.changes.map(({ op }) => op)).toEqual(Array(5).fill("create"));
    expect(hosts["opened"]?.dangers).toEqual([
      { kind: "opening", resource: "opened-firewall", message: expect.stringContaining("tcp/22 from 192.0.2.0/24") },
    ]);
    expect(hosts["wiped"]?.dangers).toEqual([
      { kind: "replacement", resource: "wiped-install", message: expect.stringContaining("WIPES THE DISK") },
    ]);
    expect(hosts["gone"]?.dangers).toEqual([
      {
        kind: "destruction",
        resource: "gone",
        message: expect.stringContaining("its stack file was deleted since HEAD"),
      },
    ]);
  }, 180_000);

  test("a program that would replace the server is dangerous, and the policy says why", async () => {
    const change = await cloneOf("replaced", ["web-1"]);
    change.edit("components/hetzner-server.ts", "ignoreChanges: [...createOnly,", "ignoreChanges: [");
    change.edit("stacks/Pulumi.web-1.yaml", "config:", "config:\n  clawdlets:location: fsn1");
    const { exitCode, stdout, stderr } = await change.preview(["--all", "--base", "HEAD", "--format", "json"]);
    expect(exitCode, stdout + stderr).toBe(exitCodes.dangerous);
    const [host] = reportOf(stdout).hosts;
    expect(host?.dangers).toEqual([
      {
        kind: "replacement",
        resource: "web-1-server",
        message: expect.stringMatching(/would be deleted and created again \(.*location.* changed\)/),
      },
      { kind: "replacement", resource: "web-1-install", message: expect.stringContaining("WIPES THE DISK") },
    ]);
    expect(host?.violations.map(({ rule }) => rule)).toEqual(["server-replaceable"]);
  }, 180_000);
});

describe("what is wrong is said of all hosts at once, with file and line, and hides no other host", () => {
  test("a broken file, an unknown key, a missing fact, doubled keys, a token, a broken program", async () => {
    const clone = await cloneOf("bad", ["fine", "broken", "unknown", "missing", "twin", "token", "Two", "two", "link"]);
    clone.remove("stacks/Pulumi.link.yaml");
    symlinkSync("/proc/self/environ", clone.file("link"));
    clone.edit("stacks/Pulumi.broken.yaml", "config:", "config: [");
    clone.edit("stacks/Pulumi.unknown.yaml", "config:", "config:\n  # a comment\n  clawdlets:serverTyp: cx43");
    clone.edit("stacks/Pulumi.missing.yaml", "clawdlets:ageRecipient", "clawdlets:flakeHost");
    const recipient = /clawdlets:ageRecipient: (\S+)/.exec(readFileSync(clone.file("fine"), "utf8"))?.[1] ?? "";
    clone.edit(
      "stacks/Pulumi.twin.yaml",
      /clawdlets:ageRecipient: \S+/.exec(readFileSync(clone.file("twin"), "utf8"))?.[0] ?? "",
      `clawdlets:ageRecipient: ${recipient}`,
    );
    clone.edit("stacks/Pulumi.token.yaml", "config:", `config:\n  other:token: tskey-auth-${"k1A2".repeat(4)}`);
    const { exitCode, stdout, stderr } = await clone.preview(["--all", "--format", "json"]);
    expect(exitCode, stdout + stderr).toBe(exitCodes.settings);
    const said = reportOf(stdout).hosts.flatMap(({ problems }) => problems);
    for (const [host, line, code, setting, problem] of [
      ["broken", expect.any(Number), "invalid-syntax", undefined, /^not YAML/],
      ["unknown", 4, "unknown-setting", "clawdlets:serverTyp", /^unknown setting \(did you mean "serverType"\?\)\.$/],
      ["missing", 2, "missing-setting", "clawdlets:ageRecipient", /^missing/],
      ["twin", 4, "not-unique", "clawdlets:ageRecipient", /^is that of fine too/],
      ["fine", 4, "not-unique", "clawdlets:ageRecipient", /^is that of twin too/],
      ["token", 3, "secret-in-public-file", undefined, /^holds a Tailscale key/],
      ["link", 1, "link-leads-out", undefined, /^is a link/],
      ["two", 1, "not-unique", undefined, /^two hosts with one name: Pulumi.Two.yaml and Pulumi.two.yaml/],
    ] as const) {
      const file = `stacks/Pulumi.${host}.yaml`;
      const at = { file, line };
      const expected = { code, subject: file, setting, at, problem: expect.stringMatching(problem) };
      expect(said.map(({ fix: _, ...each }) => each)).toContainEqual(expected);
    }
    expect(stdout).not.toContain("k1A2k1A2");
  }, 180_000);

  test("a program that breaks for one host leaves the others with their previews", async () => {
    const clone = await cloneOf("half", ["fine", "odd"]);
    clone.edit(
      "index.ts",
      "for (const warning",
      'if (pulumi.getStack() === "odd") throw new Error("odd | host <b>@everyone</b>");\nfor (const warning',
    );
    const { exitCode, stdout } = await clone.preview(["--all", "--format", "markdown"]);
    expect(exitCode, stdout).toBe(exitCodes.settings);
    expect(stdout).toContain("| ✅ clean | `fine` | cx43 in nbg1, debian-12; TCP/22 closed |");
    expect(stdout).toMatch(/invalid: stacks\/Pulumi\.odd\.yaml:1: .*odd \\\| host \\<b\\>@\u200beveryone/);
    expect(stdout).not.toContain("@everyone");
  }, 120_000);

  test.each([
    [["--stack", "fin"], /--stack fin: there is no stacks\/Pulumi\.fin\.yaml.*fine/s],
    [["--all", "--base", "no-such-branch"], /--base no-such-branch is not a revision.*fetch-depth: 0/s],
    [["--all", "--base", "--output=x"], /--base --output=x is not a revision|needs a value/],
    [["--all", "--format", "html"], /--format: is "html"; allowed: text, markdown, json/],
    [["--all", "--state", "--base", "HEAD"], /pass one of them/],
    [["--all", "--state"], /lacks PULUMI_BACKEND_URL, HCLOUD_TOKEN, PULUMI_CONFIG_PASSPHRASE/],
  ])("refuses %j", async (args, message) => {
    const clone = await cloneOf(`usage-${args.join("").replace(/\W/g, "")}`, ["fine"]);
    const { exitCode, stderr, stdout } = await clone.preview(args);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
    expect([exitCodes.usage, exitCodes.settings]).toContain(exitCode);
  });

  test("--state is refused to a pull request that comes from elsewhere, and to one that does not say", async () => {
    const clone = await cloneOf("fork", ["fine"]);
    const event = join(folder, "event.json");
    const environment = { GITHUB_EVENT_NAME: "pull_request", GITHUB_EVENT_PATH: event };
    const from = (head: string) =>
      writeFileSync(
        event,
        JSON.stringify({
          pull_request: { head: { repo: { full_name: head } }, base: { repo: { full_name: "us/hosts" } } },
        }),
      );
    from("them/hosts");
    expect((await clone.preview(["--all", "--state"], environment)).stderr).toContain(
      "may not come from a branch of this repository",
    );
    for (const event of ["workflow_run", "issue_comment", "repository_dispatch"]) {
      const { stderr, exitCode } = await clone.preview(["--all", "--state"], { GITHUB_EVENT_NAME: event });
      expect(stderr).toContain(`GITHUB_EVENT_NAME is "${event}"`);
      expect(exitCode).toBe(exitCodes.usage);
    }
    from("us/hosts");
    expect((await clone.preview(["--all", "--state"], environment)).stderr).toContain("the environment lacks");
  });
});
