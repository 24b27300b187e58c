import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { chooseFrom } from "../../cli/shared/choose.ts";
import { readValues } from "../../cli/shared/values.ts";
import { UserError } from "../../core/base/errors.ts";
import { readPublicKeyFile } from "../../core/project/settings/public-key-file.ts";
import { runEngine } from "../../engine/run.ts";
import { project, publicKey, temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

const clawdlets = (args: readonly string[], cwd: string) =>
  execa(join(repository, "bin", "clawdlets"), args, { cwd, reject: false, input: "" });

describe("--host of a command for one host", () => {
  it.each(["web-1,web-1", "web-1, web-1", "web-1"])("takes %j as one host", (typed) => {
    expect(chooseFrom([], typed, "stacks")).toBe("web-1");
  });

  it.each(["web-", "-web", "Web", "web_1", "", ",", "web-1,", "web-1,web-", "w".repeat(64), "../web"])(
    "refuses %j with what is allowed",
    (typed) => {
      const choose = () => chooseFrom([], typed, "stacks");
      expect(choose).toThrow(UserError);
      expect(choose).toThrow(/is not a host name; allowed: a lowercase letter, .* not ending in "-"/);
    },
  );

  it("refuses several", () => {
    expect(() => chooseFrom([], "web-1,web-2", "stacks")).toThrow(/takes one host, not several \(web-1, web-2\)/);
  });

  it("is the same everywhere: a name that is typed wrong is exit code 2", async () => {
    const { root } = project();
    for (const command of ["up", "preview", "destroy", "verify", "lockdown", "logs", "rebuild", "status"]) {
      const { exitCode, stderr } = await clawdlets([command, "--host", "web-"], root);
      expect([command, exitCode, stderr]).toEqual([command, 2, expect.stringContaining('"web-" is not a host name')]);
    }
  }, 60_000);
});

describe("a value that is not allowed", () => {
  it.each([
    [["server", "logs", "--lines", "0"], '--lines: is "0"; allowed: 1 to 99999.', "server logs"],
    [["doctor", "--scope", "all"], '--scope: is "all"; allowed: repo, stack, deploy.', "doctor"],
    [["image", "delete", "x"], 'id: is "x"; allowed: an id of Hetzner\'s, e.g. 250000001.', "image delete"],
    [["bot", "open", "maren", "--port", ""], '--port: is ""; allowed: 1024 to 65535.', "bot open"],
    [["rebuild", "--deadline", "9"], '--deadline: is "9"; allowed: whole seconds, 10 to 3600.', "rebuild"],
    [
      ["server", "logs", "--since", "\u001b[2J"],
      "--since: is \"\\u001b[2J\"; allowed: a time such as 5m, 2h, yesterday or '2026-11-27 10:00'.",
      "server logs",
    ],
  ])("is named, with what is allowed: %j", async (typed, says, command) => {
    const { root } = project();
    const { exitCode, stdout, stderr } = await clawdlets([...typed, "--json"], root);
    expect(stderr).toBe(`clawdlets: ${says} Examples: clawdlets ${command} --help`);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, problems: [{ code: "usage", fix: expect.any(String) }] });
  });
});

describe("an option for one value", () => {
  it.each([
    [["destroy", "--host", "web-1", "--host", "web-2"], '--host: was given twice, as "web-1" and as "web-2"'],
    [["destroy", "--host=web-1", "--yes", "--host", ""], '--host: was given twice, as "web-1" and as ""'],
    [["up", "--host", "", "--host", "web-1"], '--host: was given twice, as "" and as "web-1"'],
    [
      ["server", "logs", "--host", "a", "--since", "1h", "--since", "2h"],
      '--since: was given twice, as "1h" and as "2h"',
    ],
    [["up", "--all", "--parallel", "2", "--parallel", "3"], '--parallel: was given twice, as "2" and as "3"'],
    [["init", "--host", "a", "--location", "nbg1", "--location", "fsn1"], "--location: was given twice"],
    [["secrets", "init", "--host", "a", "--from-json", "x", "--from-json", "y"], "--from-json: was given twice"],
  ])("refuses a second one before it does anything: %j", async (typed, says) => {
    const { root } = project();
    const { exitCode, stdout, stderr } = await clawdlets([...typed, "--json"], root);
    expect(stderr).toContain(`clawdlets: ${says}`);
    expect([exitCode, JSON.parse(stdout).problems[0].code]).toEqual([2, "usage"]);
  });

  it("takes the same value twice, a flag twice, and a list in several parts", async () => {
    const { root } = project();
    const twice = ["status", "--host", "no-such", "--host", "no-such", "--json", "--json"];
    const { stderr } = await clawdlets(twice, root);
    expect(stderr).not.toContain("twice");
    const listed = ["preview", "--ci", "--stack", "no-such", "--stack", "other", "--no-refresh", "--no-refresh"];
    expect((await clawdlets(listed, root)).stderr).not.toContain("twice");
  });
});

describe("a path of a command", () => {
  it.each([
    ["new", ""],
    ["emulator", "--data", ""],
    ["emulator", "--data=", "--env-file=env"],
    ["status", "--html", ""],
    ["secrets", "init", "--host", "web-1", "--from-json", ""],
    ["bot", "import", "--from", ""],
    ["operator", "join", ""],
    ["operator", "add", "ada", "--age", "age1", "--ssh-key", ""],
    ["vault", "verify", "", "--identity", "key"],
  ])("is refused if it is empty, which Node takes for the current folder: %s %s %s", async (...typed) => {
    const folder = temporaryFolder();
    const { exitCode, stdout, stderr } = await clawdlets(
      typed[0] === "emulator" ? typed : [...typed, "--json"],
      folder,
    );
    expect(stderr).toMatch(/^clawdlets: [a-z-]+: is ""; allowed: the path of a (file|folder)/);
    expect([exitCode, readdirSync(folder)]).toEqual([2, []]);
    if (typed[0] !== "emulator") expect(JSON.parse(stdout).problems[0].code).toBe("usage");
  });

  it.each([
    ["folder", "is a folder, not a file"],
    ["nothing", "no such file"],
    ["file/below", "no such file"],
  ])("of values in JSON says in words why %s cannot be read", async (path, why) => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "folder"));
    writeFileSync(join(folder, "file"), "");
    const { exitCode, stderr } = await clawdlets(["new", "bots", "--from-json", path], folder);
    expect([exitCode, stderr]).toEqual([2, `clawdlets: --from-json ${path}: ${why}.`]);
    await expect(readValues(join(folder, path))).rejects.toThrow(`${why}. Allowed: one object`);
  });
});

describe("a public key file", () => {
  const [type, blob] = publicKey.split(" ");
  it.each([
    ["two spaces", `${type}  ${blob}  me@laptop`],
    ["a tab", `${type}\t${blob}\tme@laptop`],
    ["spaces at both ends, and CRLF", `  ${type} \t ${blob} me@laptop  \r\n`],
  ])("with %s between its fields is read as one with single spaces", async (_, line) => {
    const path = join(temporaryFolder(), "key.pub");
    writeFileSync(path, line);
    expect(readPublicKeyFile(path)).toEqual({ value: `${type} ${blob} me@laptop`, problems: [] });
    expect((await execa("ssh-keygen", ["-l", "-f", path])).stdout).toContain("me@laptop");
  });

  it("with a control character in its comment is still refused", () => {
    const path = join(temporaryFolder(), "key.pub");
    writeFileSync(path, `${type}\t${blob}\tme\u001b[2J`);
    expect(readPublicKeyFile(path).problems).toHaveLength(1);
  });
});

describe("preview --ci --json", () => {
  it("refuses another format beside it", async () => {
    const { exitCode, stdout } = await clawdlets(["preview", "--ci", "--json", "--format", "markdown"], project().root);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      problems: [{ code: "usage", problem: expect.stringContaining("--json and --format markdown") }],
    });
  });
});

it("an engine that finds the stack locked in a bucket says who has the lock, and since when", async () => {
  const tell = Object.assign(() => undefined, { startedAt: 0 });
  const text =
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`.\n  s3://acme-pulumi/.pulumi/locks/organization/acme-bots/web-1/2b5c.json: created by ada@laptop (pid 4711) at 2026-11-28T02:00:00Z";
  await expect(runEngine("web-1", "up", tell, () => Promise.reject(new Error(text)))).rejects.toMatchObject({
    exitCode: 5,
    problems: [
      {
        code: "busy",
        problem:
          "up was not started: an engine of ada on laptop (process 4711, since 2026-11-28T02:00:00Z) is working on this stack.",
        fix: expect.stringContaining("pulumi cancel --yes --stack web-1"),
      },
    ],
  });
});

it.each([
  "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`.",
  "error: [409] Conflict: Another update is currently in progress.",
])("an engine that finds the stack locked is busy: %s", async (text) => {
  const tell = Object.assign(() => undefined, { startedAt: 0 });
  const failing = runEngine("web-1", "up", tell, () => Promise.reject(new Error(text)));
  await expect(failing).rejects.toMatchObject({
    exitCode: 5,
    problems: [{ code: "busy", subject: "web-1", problem: expect.stringMatching(/another engine is working/) }],
  });
});
