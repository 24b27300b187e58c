import { withoutHost } from "../../core/base/wording.ts";
import { printable } from "../../engine/progress/progress.ts";
import { type FleetView, secondsText, stateWords } from "./view.ts";

/**
 * A line for everything, with the time since the start and the host before it, for logs and pipes: `  12.3s  web-1  …`.
 * @param secondsSoFar time since the start
 */
export function plainView(
  hosts: readonly string[],
  write: (text: string) => void,
  secondsSoFar: () => number,
): FleetView {
  const width = Math.max(...hosts.map((host) => host.length), 0);
  const line = (host: string, text: string) => {
    const before = `${secondsSoFar().toFixed(1).padStart(7)}s  ${host.padEnd(width)}  `;
    for (const each of printable(text).split("\n")) write(`${before}${each}`.trimEnd().concat("\n"));
  };
  return {
    note: (text) => line("", text),
    started: (host) => line(host, "begun"),
    told: (host, text) => line(host, withoutHost(host, text)),
    ended({ host, state, seconds, summary }) {
      if (state === "not started") return; // Dozens of lines that the summary says in one.
      line(host, `${stateWords[state]} after ${secondsText(seconds)}: ${summary}`);
    },
    close: () => undefined,
  };
}
