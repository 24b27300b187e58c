/** Shows recorded events of an `up` as the command does: `_replay.ts done|failed|waits [--plain]`. */
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { withProgress } from "../../../cli/screen/index.ts";
import { tell } from "../../../cli/shared/output.ts";
import { showEvents } from "../../../engine/progress/events.ts";
import { staying } from "../../../engine/signals.ts";

const [, , scenario, option] = process.argv;
const urnOf = (type: string, name: string) => `urn:pulumi:web-1::clawdlets::clawdlets:index:Host$${type}::${name}`;
const server = "hcloud:index/server:Server";
const command = "clawdlets:index:NixosInstall$command:local:Command";
const metadata = (type: string, name: string) =>
  ({ op: "create", urn: urnOf(type, name), type: type.split("$").at(-1) ?? "" }) as never;
const begins = (type: string, name: string) => ({ resourcePreEvent: { metadata: metadata(type, name) } });
const ends = (type: string, name: string) => ({ resOutputsEvent: { metadata: metadata(type, name) } });
const fails = (type: string, name: string) => ({
  resOpFailedEvent: { metadata: metadata(type, name), status: 1, steps: 0 },
});
const says = (message: string) => ({
  diagnosticEvent: { urn: urnOf(command, "web-1-install"), message, color: "never", severity: "info", ephemeral: true },
});
const error = {
  diagnosticEvent: { message: "web-1: no SSH on 203.0.113.7:22 within 300 s.", color: "never", severity: "error" },
};

const toTheWait = [
  begins("hcloud:index/firewall:Firewall", "web-1-firewall"),
  ends("hcloud:index/firewall:Firewall", "web-1-firewall"),
  begins(server, "web-1-server"),
  ends(server, "web-1-server"),
  begins(command, "web-1-install"),
  says("[check] web-1: installation 3c6e0b8a9c15224a on 203.0.113.7"),
  says("[open] opening TCP/22 to 198.51.100.7/32 only (limit 20 s)"),
  says("[connect] waiting for ssh with the pinned key; 中文 are two columns wide each, and ✓ is one (limit 5 min)"),
];
const all: Record<string, object[]> = {
  done: [...toTheWait, says("[close] TCP/22 is closed"), ends(command, "web-1-install")],
  failed: [...toTheWait, error, fails(command, "web-1-install")],
  waits: toTheWait,
};

await withProgress("web-1: up", { plain: option === "--plain" }, async (progress) => {
  progress("web-1: an engine of ana on laptop (process 4711) was killed; removed its lock on the stack");
  const show = showEvents(progress);
  for (const event of all[scenario ?? ""] ?? []) {
    show(event as EngineEvent);
    process.stderr.emit("resize"); // Draws each frame, without waiting for the clock.
  }
  tell("a warning that another part of the program writes meanwhile");
  if (scenario === "failed") throw new Error("up failed");
  if (scenario === "waits") {
    const alive = setInterval(() => undefined, 1000);
    const untilStopped = () => {
      tell("waiting for Ctrl-C");
      return new Promise<void>((resolve) => void process.once("SIGINT", () => resolve()));
    };
    await staying(progress, untilStopped);
    clearInterval(alive);
    throw new Error("stopped");
  }
}).catch((error: Error) => {
  process.stderr.write(`clawdlets: ${error.message}\n`);
  process.exitCode = 1;
});
process.exit();
