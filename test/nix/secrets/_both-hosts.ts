import { EmulatedHost } from "./_emulated-host.ts";
import type { NewHost } from "./_receiving-host.ts";
import { exchangeShim, ScriptHost } from "./_script-host.ts";

const uid = process.getuid?.() ?? 0;

/** What receives secrets, and who owns what it leaves: root, but the script is seen as who runs it. */
export const bothHosts: [name: string, create: NewHost, owner: string][] = [
  [
    "the script",
    async (contents) => new ScriptHost(contents, await exchangeShim()),
    `${uid}:${process.getgid?.() ?? 0}`,
  ],
  ["the emulated machine", async (contents) => new EmulatedHost(contents), "0:0"],
];
