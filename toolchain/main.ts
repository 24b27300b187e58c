/**
 * `npm run toolchain`: sets up the engine, reports progress on stderr and prints its paths as JSON on stdout. With `--checks` it
 * sets up the tools that check the repository instead, with `--tofu` the OpenTofu of `npm run bench`
 * and of the tests of `clawdlets adopt`, with `--tailnet` Tailscale and headscale for the tests of a real tailnet.
 */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureCheckTools } from "./checks.ts";
import { ensureEngine, ensureTailnet, ensureTofu, ToolchainError, type ToolchainEvent } from "./index.ts";

const sources = dirname(fileURLToPath(import.meta.url));
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());

function tell({ kind, component, seconds, text }: ToolchainEvent): void {
  const words = { start: "started", going: "still going", done: "done", note: "" }[kind];
  const time = kind === "start" || kind === "note" ? "" : ` after ${Math.round(seconds)} s`;
  process.stderr.write(`engine: ${component}: ${[words, text].filter(Boolean).join(" ")}${time}\n`);
}

if (process.argv[2] === "--checks") {
  const tools = await ensureCheckTools({ root: resolve(sources, ".."), sources, report: tell, signal: stop.signal });
  process.stdout.write(`${JSON.stringify(tools)}\n`);
  process.exit(Object.keys(tools.missing).length === 0 ? 0 : 4);
}

try {
  const asked = { root: resolve(sources, ".."), sources, report: tell, signal: stop.signal };
  const origin = process.env["CLAWDLETS_ENGINE"];
  const kind = process.argv[2];
  const made =
    kind === "--tofu"
      ? await ensureTofu(asked)
      : kind === "--tailnet"
        ? await ensureTailnet(asked)
        : await ensureEngine({ ...asked, origin });
  process.stdout.write(`${JSON.stringify(made)}\n`);
} catch (error) {
  const stopped = stop.signal.aborted;
  if (!stopped && !(error instanceof ToolchainError)) throw error;
  process.stderr.write(
    stopped ? "engine: stopped; run this again to continue\n" : `engine: ${(error as Error).message}\n`,
  );
  process.exit(stopped ? 130 : 4);
}
