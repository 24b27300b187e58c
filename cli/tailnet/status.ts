import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { problemSentence } from "../../core/base/problem.ts";
import { type NamedMachine, type TailnetStatus, tailnetStatus } from "../../core/host/tailnet/status.ts";
import { findLayout } from "../../core/project/layout.ts";
import { hasTailnet, loadHost } from "../../core/project/settings/host.ts";
import { stopSignal } from "../../engine/signals.ts";
import { chooseHost, hostOption } from "../shared/choose.ts";
import { jsonOption, print, type ResultLine, resultLines } from "../shared/output.ts";

/** `clawdlets tailnet status`: this machine's client, and every machine that has the host's name. */
export function statusCommand(): Command {
  return new Command("status")
    .option(...hostOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nThe pinned host key tells the host from other machines with its name. Exits with 1 if the host does not answer.\n\nExamples:\n  clawdlets tailnet status --host web-1\n  clawdlets tailnet status --host web-1 --json | jq '.machines'\n",
    )
    .action(async (options: { host?: string; json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const { settings, local } = loadHost(layout, host, process.env, { token: false });
      const say = resultLines(options.json);
      if (!hasTailnet(settings)) {
        say(`${host}: clawdlets:tailnet is "none"`);
        print(options.json, { ok: true, host, tailnet: "none" });
        return;
      }
      const status = await tailnetStatus({ layout, settings, local, signal: stopSignal() });
      const ok = status.client.ok && status.machines.some(({ isHost }) => isHost === true);
      show(host, status, say);
      print(options.json, { ok, host, tailnet: settings.tailnet, ...status });
      if (!ok) process.exitCode = exitCodes.failed;
    });
}

function show(host: string, { client, machines, recorded }: TailnetStatus, say: ResultLine): void {
  say(`this machine: ${client.ok ? "in the tailnet" : "NOT in the tailnet"}`);
  for (const problem of client.problems) say(`  ${problemSentence(problem)}`);
  if (machines.length === 0) say(`${host}: the tailnet has no machine of this name`);
  for (const machine of machines) say(machineLine(host, machine));
  if (!recorded) return;
  const { id, device, problem } = recorded;
  const shown = device
    ? `${device.name}, ${device.tags.join(", ") || "no tags"}`
    : (problem ?? "not checked: no credentials");
  say(`recorded device ${id}: ${shown}`);
}

function machineLine(host: string, machine: NamedMachine): string {
  const { name, id, addresses, tags, online, isHost, reason, expiry } = machine;
  const who =
    isHost === true
      ? `the host, by its pinned key`
      : isHost === false
        ? `NOT ${host}: ${reason}`
        : online
          ? "not tried"
          : "offline";
  const parts = [addresses[0] ?? "no address", who, tags.join(", ") || "no tags", expiry ?? "key does not expire soon"];
  return `${name} (${id}): ${parts.join("; ")}`;
}
