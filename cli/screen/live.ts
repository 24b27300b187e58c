import { createLogUpdate } from "log-update";
import pc from "picocolors";
import { type Progress, printable, type Step } from "../../engine/progress/progress.ts";
import { setActive } from "./active.ts";
import { frameMs, listLines } from "./list.ts";
import { Rows } from "./rows.ts";
import { sizeOf, wrapped } from "./terminal.ts";

export interface Screen {
  progress: Progress;
  /** The last frame stays on the screen. */
  close: (state: "done" | "failed") => void;
}

/** A region at the bottom of a terminal that is redrawn in place; text goes above it. */
export interface Region {
  /** Redraws soon: several changes in a row are drawn once. */
  change: () => void;
  /** Text that stays, above the region. */
  above: (text: string) => void;
  /** Draws once more and leaves it on the screen. */
  close: () => void;
}

/**
 * The cursor is not hidden: no way of ending, not even SIGKILL, can then leave a terminal without one.
 * @param linesOf the region now, no line wider than the stream; nothing is drawn while it is empty
 */
export function openRegion(stream: NodeJS.WriteStream, linesOf: () => string[]): Region {
  const draw = createLogUpdate(stream, { showCursor: true });
  let next: NodeJS.Timeout | undefined;
  let isOpen = true;
  const render = () => {
    clearTimeout(next);
    next = undefined;
    const lines = isOpen ? linesOf() : [];
    if (lines.length > 0) draw(lines.join("\n"));
  };
  const clock = setInterval(render, frameMs).unref();
  const above = (text: string) => {
    draw.clear();
    const { columns } = sizeOf(stream);
    for (const line of wrapped(printable(text), columns)) stream.write(`${line}\n`);
    render();
  };
  const close = () => {
    if (!isOpen) return;
    clearInterval(clock);
    render();
    isOpen = false;
    draw.done();
    setActive(undefined);
    stream.off("resize", render);
    process.off("exit", close);
  };
  stream.on("resize", render);
  // A bug or a second Ctrl-C ends the process without closing.
  process.on("exit", close);
  setActive(above);
  const change = () => {
    next ??= setTimeout(render, 50);
  };
  return { change, above, close };
}

/** A list of steps on a terminal. @param lazy show nothing until there is a step */
export function liveScreen(title: string, stream: NodeJS.WriteStream, lazy = false): Screen {
  const startedAt = Date.now();
  const rows = new Rows();
  const colours = pc.createColors(true);
  let state: "running" | "done" | "failed" = "running";
  const region = openRegion(stream, () => {
    const shown = rows.shown();
    if (lazy && shown.length === 0) return [];
    return listLines({ title, state, startedAt, rows: shown }, { ...sizeOf(stream), now: Date.now(), colours });
  });
  region.change();
  const step = (each: Step) => {
    rows.apply(each, Date.now());
    region.change();
  };
  const onExit = () => close("failed");
  const close = (ended: "done" | "failed") => {
    if (state !== "running") return;
    state = ended;
    rows.end(ended, Date.now());
    process.off("exit", onExit);
    region.close();
  };
  // Before the region's own listener, so that its last frame shows what failed.
  process.prependListener("exit", onExit);
  return { progress: Object.assign((text: string) => region.above(text), { step }), close };
}
