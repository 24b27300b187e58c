import type { Journal } from "../../host/journal.ts";
import type { WindowEntry } from "../../host/window/window-journal.ts";
import type { InstallationStatus } from "./installation.ts";

/** Something that happened to a host, from this machine's journals or from the host. */
export interface HostEvent {
  /** ISO 8601, UTC. */
  at: string;
  kind: "installation" | "window" | "change";
  text: string;
}

/** Older events are in the journals. */
const most = 12;

/** Newest first. @param change the host's last change, as the host has it */
export function timelineOf(
  journal: Journal | undefined,
  windows: readonly WindowEntry[],
  { lastChange: text, lastChangeAt: at }: Pick<InstallationStatus, "lastChange" | "lastChangeAt"> = {},
): HostEvent[] {
  const changes = at === undefined || text === undefined ? [] : [{ at, kind: "change" as const, text }];
  const events = [...installationEvents(journal), ...windows.map(windowEvent), ...changes];
  return events.sort((left, right) => Date.parse(right.at) - Date.parse(left.at)).slice(0, most);
}

function installationEvents(journal: Journal | undefined): HostEvent[] {
  if (!journal) return [];
  const { installId, startedAt, endedAt, state } = journal;
  const kind = "installation" as const;
  const ended = state === "done" ? "finished" : "FAILED";
  return [
    { at: startedAt, kind, text: `installation ${installId} started` },
    ...(endedAt === undefined ? [] : [{ at: endedAt, kind, text: `installation ${installId} ${ended}` }]),
  ];
}

const words: Readonly<Record<WindowEntry["event"], string>> = {
  opening: "opening TCP/22",
  open: "TCP/22 opened",
  closed: "TCP/22 closed",
  kept: "TCP/22 kept open",
};

function windowEvent({ at, event, by, cidrs, why }: WindowEntry): HostEvent {
  const to = cidrs === undefined ? "" : ` to ${cidrs.join(", ")}`;
  return { at, kind: "window", text: `${words[event]}${to} by ${by}${why === undefined ? "" : `: ${why}`}` };
}
