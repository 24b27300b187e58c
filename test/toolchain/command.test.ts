import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandProgram, Stack, skipUnlessOwn, stackFor } from "./_stack.ts";

/** One stack, one command each, `up` after `up`: what ran is told by the lines the commands add to a file. */
const stack = new Stack(commandProgram);
const first = {
  plain: { create: "echo plain >> ran; echo out; echo ' kept '; echo err >&2" },
  environment: { create: 'echo "$COLOR $HOME"', environment: { COLOR: "blue" } },
  stdin: { create: "cat; echo; wc -c", stdin: "from stdin" },
  dir: { create: "pwd", dir: "sub" },
  interpreter: { create: "console.log(1 + 1)", interpreter: ["node", "-e"] },
  logStdout: { create: "echo 1-out; echo 1-err >&2", logging: "stdout" },
  logStderr: { create: "echo 2-out; echo 2-err >&2", logging: "stderr" },
  logNone: { create: "echo 3-out; echo 3-err >&2", logging: "none" },
  logBoth: { create: "echo 4-out; echo 4-err >&2", logging: "stdoutAndStderr" },
  nothing: { delete: "echo nothing >> ran" },
  withUpdate: {
    create: "echo created",
    update: 'echo "with $N after $PULUMI_COMMAND_STDOUT"',
    environment: { N: "1" },
  },
  withoutUpdate: { create: "echo withoutUpdate >> ran; date +%N", environment: { N: "1" } },
  forgetful: { create: 'echo "[$PULUMI_COMMAND_STDOUT]"', environment: { N: "1" }, addPreviousOutputInEnv: false },
  replaced: {
    create: "echo replaced-create >> ran",
    update: "echo replaced-update >> ran",
    delete: "echo replaced-delete >> ran",
    triggers: ["id-1", { nested: 1 }],
  },
  removed: {
    create: "echo made; echo noise >&2",
    delete: 'echo "removed $WHICH $PULUMI_COMMAND_STDOUT $PULUMI_COMMAND_STDERR" >> ran',
    environment: { WHICH: "it" },
  },
};
const N2 = { environment: { N: "2" } };
const changed = {
  ...first,
  withUpdate: { ...first.withUpdate, ...N2 },
  withoutUpdate: { ...first.withoutUpdate, ...N2 },
  forgetful: { ...first.forgetful, ...N2 },
};
const retriggered = { ...changed, replaced: { ...first.replaced, triggers: ["id-1", { nested: 2 }] } };
const { removed: _, ...rest } = retriggered;

async function up(commands: object) {
  stack.write("commands.json", JSON.stringify(commands));
  stack.write("ran", "");
  const result = await stack.up();
  return { ...result, ran: stack.read("ran").split("\n").filter(Boolean).sort() };
}

/** The test names below are in the order of the ups. */
test("replaces bytes of an output that are not text", async (context) => {
  skipUnlessOwn(
    context,
    "CLAWDLETS_COMMAND_PLUGIN",
    "with the official plugin, a command that prints such bytes fails",
  );
  const other = await stackFor(commandProgram);
  other.write("commands.json", JSON.stringify({ bytes: { create: "printf 'a\\377b'" } }));
  const { exitCode, all } = await other.up();
  expect(exitCode, all).toBe(0);
  expect(other.outputs("bytes")).toMatchObject({ stdout: "a\uFFFDb" });
});

describe("local.Command, on the real engine", () => {
  beforeAll(async () => {
    stack.write("sub/.keep", "");
    await stack.init();
  });
  afterAll(() => stack.remove());

  describe("at the first up", () => {
    let log = "";
    beforeAll(async () => {
      const { exitCode, all, ran } = await up(first);
      log = all;
      expect(exitCode, all).toBe(0);
      expect(ran).toEqual(["plain", "replaced-create", "withoutUpdate"]);
    });
    const stdout = (name: string) => stack.outputs(name)?.["stdout"];

    test("keeps both streams, less one newline at the end", () => {
      expect(stack.outputs("plain")).toMatchObject({ stdout: "out\n kept ", stderr: "err" });
    });
    test("adds the environment to the engine's own", () => {
      expect(stdout("environment")).toBe(`blue ${stack.folder}`);
    });
    test("passes stdin, and then its end", () => {
      expect(stdout("stdin")).toBe("from stdin\n0");
    });
    test("runs in dir, which may be relative to the project", () => {
      expect(stdout("dir")).toBe(`${stack.folder}/sub`);
    });
    test("runs another interpreter than the shell", () => {
      expect(stdout("interpreter")).toBe("2");
    });
    test("does nothing where there is no create", () => {
      expect(stdout("nothing")).toBe("");
    });
    test.each([
      ["logStdout", ["1-out"], ["1-err"]],
      ["logStderr", ["2-err"], ["2-out"]],
      ["logNone", [], ["3-out", "3-err"]],
      ["logBoth", ["4-out", "4-err"], []],
      ["plain", ["out", "err"], []],
    ])("logging: %s shows %j and hides %j, and keeps both", (name, shown, hidden) => {
      const lines = log.split("\n").filter((line) => line.includes(`:Command ${name} `));
      for (const text of shown)
        expect(
          lines.some((line) => line.endsWith(` ${text}`)),
          text,
        ).toBe(true);
      for (const text of hidden) expect(lines.join("\n")).not.toContain(text);
      if (name.startsWith("log")) expect(JSON.stringify(stack.outputs(name))).toMatch(/\d-out.*\d-err|\d-err.*\d-out/);
    });
  });

  test("runs nothing when nothing changed", async () => {
    const { all, ran } = await up(first);
    expect(all).toContain("unchanged");
    expect(all).not.toMatch(/created|updated|replaced/);
    expect(ran).toEqual([]);
  });

  describe("at a changed input", () => {
    beforeAll(async () => {
      const { exitCode, all, ran } = await up(changed);
      expect(exitCode, all).toBe(0);
      expect(ran, "create runs again where there is no update: the trap").toEqual(["withoutUpdate"]);
    });
    test("runs update, with the output of the last run in its environment", () => {
      expect(stack.outputs("withUpdate")).toMatchObject({ stdout: "with 2 after created" });
    });
    test("hides the output of the last run where addPreviousOutputInEnv is false", () => {
      expect(stack.outputs("forgetful")).toMatchObject({ stdout: "[]" });
    });
  });

  test("replaces at a changed trigger: create and delete run, update does not", async () => {
    const { ran } = await up(retriggered);
    expect(ran).toEqual(["replaced-create", "replaced-delete"]);
  });

  test("runs delete with the environment and the output of the state", async () => {
    const { ran } = await up(rest);
    expect(ran).toEqual(["removed it made noise"]);
  });

  test("tells a failing update's exit code and output, and leaves the state as it was", async () => {
    const before = stack.outputs("withUpdate");
    // Two pipes: without the pause, which stream comes first is not promised.
    const update = "echo some-out; sleep 0.2; echo some-err >&2; exit 7";
    const { exitCode, all } = await up({ ...rest, withUpdate: { ...changed.withUpdate, update } });
    expect(exitCode).not.toBe(0);
    expect(all).toMatch(
      /exit status 7: running "echo some-out; sleep 0.2; echo some-err >&2; exit 7":\s+some-out\s+some-err/,
    );
    expect(stack.outputs("withUpdate")).toEqual(before);
  });

  test("keeps nothing of a failing create", async () => {
    const { exitCode, all } = await up({ ...rest, broken: { create: "exit 3", delete: "echo broken >> ran" } });
    expect(exitCode).not.toBe(0);
    expect(all).toContain("exit status 3");
    expect(stack.outputs("broken")).toBeUndefined();
  });

  test("runs all that is left to delete at destroy", async () => {
    stack.write("ran", "");
    const { exitCode, all } = await stack.run("destroy", "--yes", "--skip-preview", "--stack", "s");
    expect(exitCode, all).toBe(0);
    expect(stack.read("ran").split("\n").filter(Boolean).sort()).toEqual(["nothing", "replaced-delete"]);
  });
});

describe("what the stand-in has not, it refuses in words that say who speaks", () => {
  const program = (line: string) => `import * as command from "@pulumi/command";\n${line}\n`;
  test.for([
    [
      "remote.Command",
      'new command.remote.Command("r", { create: "true", connection: { host: "h" } });',
      "command:remote:Command",
    ],
    ["local.run", 'export const ran = command.local.runOutput({ command: "true" }).stdout;', "command:local:run"],
    ["assetPaths", 'new command.local.Command("c", { create: "true", assetPaths: ["*"] });', "assetPaths"],
    ["archivePaths", 'new command.local.Command("c", { create: "true", archivePaths: ["*"] });', "archivePaths"],
  ] as const)("%s", async ([_name, line, what], context) => {
    skipUnlessOwn(context, "CLAWDLETS_COMMAND_PLUGIN", "the official plugin has all of these");
    const { exitCode, all } = await (await stackFor(program(line))).up();
    expect(exitCode).not.toBe(0);
    expect(all).toContain(`${what} is not in clawdlets' stand-in`);
    expect(all).toContain("pulumi plugin install resource command 1.2.1");
  });
});
