import pMap from "p-map";
import { counted } from "../../core/base/wording.ts";
import { isInstalled } from "../../core/host/reach/made-elsewhere.ts";
import type { Layout } from "../../core/project/layout.ts";
import type { HostChange } from "../../core/tasks/operators/change.ts";
import { stopSignal } from "../../engine/signals.ts";
import type { ResultLine } from "../shared/output.ts";

/** What brings changed files to the hosts: each a sentence or a command. */
export async function nextForHosts(layout: Layout, hosts: readonly HostChange[], message: string): Promise<string[]> {
  const stacks = hosts.filter(({ keys }) => keys).map(({ host }) => `stacks/Pulumi.${host}.yaml`);
  const signal = stopSignal();
  const found = await pMap(
    hosts,
    async ({ host }) => {
      // One that may be installed needs the change as well.
      return (await isInstalled(layout, host, process.env, signal)) === false ? [] : [host];
    },
    { concurrency: 4 },
  );
  const installed = found.flat();
  const [first] = installed;
  const canary = installed.length > 1 ? ` --canary ${first}` : "";
  return [
    ...(stacks.length === 0 ? [] : [`git add ${stacks.join(" ")} && git commit -m '${message}' && git push`]),
    ...(first === undefined ? [] : [`clawdlets rebuild --host ${installed.join(",")}${canary}`]),
  ];
}

/** One line per host that changes. */
export function showHosts(say: ResultLine, hosts: readonly HostChange[], dryRun: boolean): void {
  for (const { host, secrets, keys } of hosts) {
    const parts = [
      ...(secrets.length === 0 ? [] : [`${counted(secrets.length, "secret")} re-encrypted`]),
      ...(keys ? [`stacks/Pulumi.${host}.yaml changed`] : []),
    ];
    say(
      `${host}: ${dryRun ? "would have " : ""}${parts.length === 0 ? "its rule in .sops.yaml changed" : parts.join(", ")}`,
    );
  }
}
