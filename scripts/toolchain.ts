/**
 * `npm run toolchain`: sets up the engine, shows progress on stderr and prints its paths as JSON on stdout. With `--checks` it
 * sets up the tools that check the repository instead, with `--tofu` the OpenTofu of `npm run bench`
 * and of the tests of `clawdlets adopt`, with `--tailnet` Tailscale and headscale for the tests of a real tailnet, with
 * `--languages` what the tests of the component package need. Several are set up one after the other, with a line of JSON each.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withProgress } from "../cli/screen/index.ts";
import type { Progress } from "../engine/progress/progress.ts";
import { showSetUp } from "../engine/progress/set-up.ts";
import { ensureCheckTools } from "../toolchain/checks.ts";
import {
  cacheFolder,
  ensureEngine,
  ensureLanguages,
  ensureTailnet,
  ensureTofu,
  ToolchainError,
} from "../toolchain/index.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
const print = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
const asked = { root, sources: join(root, "toolchain"), signal: stop.signal };
const origin = process.env["CLAWDLETS_ENGINE"];

const setUp = {
  "--checks": {
    title: "setting up the tools that check this repository",
    work: async (progress: Progress): Promise<object> => {
      const tools = await ensureCheckTools({ ...asked, report: showSetUp(progress) });
      if (Object.keys(tools.missing).length > 0) process.exitCode = 4;
      return tools;
    },
  },
  "--tofu": {
    title: "setting up OpenTofu",
    work: async (progress: Progress): Promise<object> => ensureTofu({ ...asked, report: showSetUp(progress) }),
  },
  "--tailnet": {
    title: "setting up Tailscale and headscale",
    work: async (progress: Progress): Promise<object> => ensureTailnet({ ...asked, report: showSetUp(progress) }),
  },
  "--languages": {
    title: "setting up Pulumi's YAML host and the generator of SDKs",
    work: async (progress: Progress): Promise<object> => ensureLanguages({ ...asked, report: showSetUp(progress) }),
  },
  engine: {
    title: "setting up Pulumi's engine, once",
    work: async (progress: Progress): Promise<object> =>
      ensureEngine({ ...asked, report: showSetUp(progress), origin, cache: cacheFolder(process.env) }),
  },
};

const named = process.argv.slice(2);
const unknown = named.find((each) => !each.startsWith("--") || !Object.hasOwn(setUp, each));
if (unknown !== undefined) {
  const allowed = Object.keys(setUp).filter((each) => each.startsWith("--"));
  process.stderr.write(
    `toolchain: ${unknown}: not known; allowed: ${allowed.join(", ")}, or nothing for the engine.\n`,
  );
  process.exit(2);
}
try {
  for (const each of named.length > 0 ? named : ["engine"]) {
    const { title, work } = setUp[each as keyof typeof setUp];
    print(await withProgress(title, { lazy: true }, work));
  }
} catch (error) {
  const stopped = stop.signal.aborted;
  if (!stopped && !(error instanceof ToolchainError)) throw error;
  process.stderr.write(
    stopped ? "engine: stopped; run this again to continue\n" : `engine: ${(error as Error).message}\n`,
  );
  process.exit(stopped ? 130 : 4);
}
