import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, describe, expect, it, vi } from "vitest";
import { leavesWhenStopped, report } from "../../cli/shared/ending.ts";
import { UserError } from "../../core/base/errors.ts";
import { written } from "../../core/base/stopped.ts";
import { noteStop } from "../../engine/signals.ts";
import { project, publicKey } from "../_project.ts";
import { repository } from "../_repository.ts";
import { onTerminal } from "./_terminal.ts";

const clawdlets = join(repository, "bin", "clawdlets");
const ctrlC = "\u0003";

it("Ctrl-C at the first question of init says that nothing was written", async () => {
  const { root, dir } = project({ stack: null, stackFile: null });
  const { screen, exitCode } = await onTerminal(`${clawdlets} init`, [["Name of the host", ctrlC]], { cwd: root });
  expect(screen).toContain("Stopped at a question. Nothing was written.");
  expect(exitCode).toBe(130);
  expect(existsSync(join(dir, "stack.json"))).toBe(false);
}, 60_000);

it("Ctrl-C at a secret names the files that were written before, which are there", async () => {
  const { root } = project({ stack: null, stackFile: null });
  writeFileSync(join(root, "key.pub"), `${publicKey}\n`);
  const line = `${clawdlets} init --host web-1 --admin-cidr 203.0.113.7/32 --ssh-pubkey key.pub --bots maren`;
  const { screen, exitCode } = await onTerminal(
    line,
    [
      ["Flake with the host", "\r"],
      ["changes the running host later", "\r"],
      ["Admin password", ctrlC],
    ],
    { cwd: root },
  );
  expect(exitCode, screen).toBe(130);
  const said = screen.replace(/\s+/g, " ");
  const files = /files were written before, and stay: (.*?)\. Run the same command again/.exec(said)?.[1]?.split(", ");
  expect(files).toContain(".clawdlets/stack.json");
  expect(files).toContain("stacks/Pulumi.web-1.yaml");
  expect(files?.filter((file) => !existsSync(join(root, file)))).toEqual([]);
}, 60_000);

it.each([
  ["Ctrl-C", ctrlC],
  ["the end of the input", "\u0004"],
])(
  "%s where destroy asks for the name ends with 130 and destroys nothing",
  async (_, key) => {
    const { root } = project();
    const { screen, exitCode } = await onTerminal(`${clawdlets} destroy`, [["Type the host's name", key]], {
      cwd: root,
    });
    expect(screen).toContain("Stopped at a question. Nothing was written.");
    expect(exitCode).toBe(130);
  },
  60_000,
);

const questions = [
  ["vault export hosts.vault --passphrase", "Passphrase of the vault"],
  ["destroy", "Type the host's name"],
  ["init", "Name of the host"],
] as const;
const signals = { SIGINT: [130, "Ctrl-C"], SIGTERM: [143, "SIGTERM"], SIGHUP: [129, "SIGHUP"] } as const;
const names = Object.keys(signals) as (keyof typeof signals)[];

describe("a signal while a question is open", () => {
  it.each(questions.flatMap(([line, question]) => names.map((name) => ({ line, question, name }))))(
    "$name at $line is answered, and leaves the terminal as it was",
    async ({ line, question, name }) => {
      const { root } = project();
      const kill = () => process.kill(Number(readFileSync(join(root, "pid"), "utf8")), name);
      // The settings of the terminal afterwards.
      const command = `sh -c 'sh -c "echo \\$\\$ >pid; exec ${clawdlets} ${line}"; code=$?; stty -a; exit $code'`;
      const { screen, raw, exitCode } = await onTerminal(command, [[question, kill]], { cwd: root });
      const [code, called] = signals[name];
      expect(screen).toContain(`clawdlets: stopped by ${called}. Nothing was written.`);
      expect(exitCode, screen).toBe(code);
      expect(screen).toMatch(/ echo .* icanon| icanon .* echo /s);
      expect(raw.lastIndexOf("\u001b[?25l")).toBeLessThanOrEqual(raw.lastIndexOf("\u001b[?25h"));
    },
    60_000,
  );
});

it.each(names)(
  "%s while standard input is read is one JSON object for who asked for one",
  async (name) => {
    const { root } = project();
    const child = execa(clawdlets, ["vault", "export", "hosts.vault", "--passphrase", "--json"], {
      cwd: root,
      stdin: "pipe",
      reject: false,
    });
    // Bit 0 is SIGHUP, which only our own code catches.
    const catches = () => /SigCgt:\s*[0-9a-f]*[13579bdf]\n/.test(readFileSync(`/proc/${child.pid}/status`, "utf8"));
    await vi.waitUntil(catches, { timeout: 30_000 });
    child.kill(name);
    const { stdout, exitCode } = await child;
    const [code, called] = signals[name];
    expect(exitCode).toBe(code);
    const message = `stopped by ${called}. Nothing was written.`;
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      exitCode: code,
      problems: [{ code: "stopped", subject: "", problem: message }],
    });
  },
  60_000,
);

describe("an error after a stop", () => {
  afterEach(() => written.clear());
  const goesOn = "web-1 may be backing up now.";
  const failure = "sops could not encrypt x: it gave no reason.";
  it.each([
    ["is what the stop has cut off", 1, [], `clawdlets: stopped by Ctrl-C.\n  It cut off: ${failure}\n`],
    [
      "does not hide the files that were written before",
      1,
      ["a.yaml"],
      `clawdlets: stopped by Ctrl-C. 1 file was written before, and stays: a.yaml. Run the same command again to continue.\n  It cut off: ${failure}\n`,
    ],
    ["that says how a host was left stands alone", 12, ["a.yaml"], `clawdlets: ${failure}\n`],
    [
      "says what goes on elsewhere",
      1,
      [],
      `clawdlets: stopped by Ctrl-C. ${goesOn}\n  It cut off: ${failure}\n`,
      goesOn,
    ],
    [
      "says both",
      1,
      ["a.yaml"],
      `clawdlets: stopped by Ctrl-C. ${goesOn} 1 file was written before, and stays: a.yaml. Run the same command again to continue.\n  It cut off: ${failure}\n`,
      goesOn,
    ],
  ] as const)("%s", async (_, exitCode, files, said, elsewhere = undefined) => {
    noteStop("SIGINT");
    leavesWhenStopped(elsewhere);
    for (const file of files) written.add(join(process.cwd(), file));
    const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    try {
      expect(await report(new UserError(failure, { exitCode }))).toBe(130);
      expect(write.mock.calls.map(([text]) => text).join("")).toBe(said);
    } finally {
      write.mockRestore();
    }
  });
});
