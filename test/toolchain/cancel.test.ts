import { existsSync } from "node:fs";
import { execa } from "execa";
import { expect, type TestContext, test, vi } from "vitest";
import { commandProgram, type Stack, skipUnlessOwn, stackFor } from "./_stack.ts";

/**
 * The command starts a child and a grandchild, notes all three ids, and would run for minutes. A `trap` line says
 * what the shell does when it is told to end.
 */
async function stackAtWork(trap: string, env: Record<string, string> = {}) {
  const stack = await stackFor(commandProgram);
  Object.assign(stack.env, env);
  const create = `${trap}
    (sleep 300 & echo $! > grandchild; echo $$ > shell; wait) & echo $! > child
    while [ ! -s grandchild ] || [ ! -s shell ]; do sleep 0.05; done; touch started; wait`;
  stack.write("commands.json", JSON.stringify({ long: { create } }));
  const running = stack.start("up", "--yes", "--skip-preview", "--stack", "s");
  await vi.waitFor(() => expect(existsSync(`${stack.folder}/started`)).toBe(true), { timeout: 20_000, interval: 50 });
  const ids = ["shell", "child", "grandchild"].map((name) => Number(stack.read(name)));
  expect(ids.every(isAlive)).toBe(true);
  return { stack, running, ids };
}

function isAlive(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** What our own plugin promises beyond the official one. What a cancelled installation leaves is tested with both: test/crash. */
const onlyOwn = (context: TestContext) =>
  skipUnlessOwn(
    context,
    "CLAWDLETS_COMMAND_PLUGIN",
    "the official plugin kills the shell at once, and nothing that it started",
  );

const allEnd = (ids: number[]) =>
  vi.waitFor(() => expect(ids.filter(isAlive)).toEqual([]), { timeout: 20_000, interval: 50 });

/** The plugin of this stack: its command line is the same for all, its folder and its parent are not. */
async function pluginOf(stack: Stack): Promise<number> {
  const { stdout } = await execa("sh", [
    "-c",
    'for p in /proc/[0-9]*; do case "$(readlink $p/exe)" in *pulumi-resource-command*) [ "$(readlink $p/cwd)" = "$0" ] && basename "$p";; esac; done',
    stack.folder,
  ]);
  return Number(stdout);
}

test.for(["SIGINT", "SIGTERM"] as const)(
  "%s to the engine ends the whole process group, and says why",
  async (signal, context) => {
    onlyOwn(context);
    const { running, ids } = await stackAtWork("trap 'touch tidied; exit 1' TERM;");
    running.kill(signal);
    const { exitCode, all } = await running;
    await allEnd(ids);
    expect(exitCode).not.toBe(0);
    expect(all).toContain("cancelled; the command and all it started were told to end");
  },
);

test("a cancelled command gets SIGTERM and time to tidy up", async (context) => {
  onlyOwn(context);
  const { stack, running } = await stackAtWork("trap 'sleep 0.3; touch tidied; exit 1' TERM;");
  running.kill("SIGINT");
  await running;
  expect(existsSync(`${stack.folder}/tidied`)).toBe(true);
});

test("one that does not heed SIGTERM is killed after the grace", async (context) => {
  onlyOwn(context);
  const { running, ids } = await stackAtWork("trap '' TERM;", { CLAWDLETS_CANCEL_GRACE_SECONDS: "1" });
  running.kill("SIGINT");
  await running;
  await allEnd(ids);
});

test("a second SIGINT to the engine, which kills the plugin, ends a command that still tidies up", async (context) => {
  onlyOwn(context);
  const { stack, running, ids } = await stackAtWork(
    "trap 'touch told; trap - TERM; while :; do sleep 0.1; done' TERM;",
  );
  running.kill("SIGINT");
  await vi.waitFor(() => expect(existsSync(`${stack.folder}/told`)).toBe(true), { timeout: 20_000, interval: 50 });
  running.kill("SIGINT");
  await running;
  await allEnd(ids);
});

test.runIf(process.platform === "linux")("kill -9 of the plugin ends the command", async () => {
  const { stack, running, ids } = await stackAtWork("");
  process.kill(await pluginOf(stack), "SIGKILL");
  await running;
  await allEnd(ids.slice(0, 1));
  for (const id of ids.filter(isAlive)) process.kill(id, "SIGKILL");
});

test.runIf(process.platform === "linux")("kill -9 of the engine ends the command", async (context) => {
  onlyOwn(context);
  const { running, ids } = await stackAtWork("");
  running.kill("SIGKILL");
  await running;
  await allEnd(ids);
});
