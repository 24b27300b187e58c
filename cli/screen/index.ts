import { type Progress, printable } from "../../engine/progress/progress.ts";
import type { Screen } from "./live.ts";
import { isLive } from "./terminal.ts";

/** The option of every command that shows a list. */
export const plainOption = ["--plain", "write progress as lines, also on a terminal"] as const;

/** Progress as lines with the time since the start, and without escape codes: `    1.2s  created Server web-1`. */
export function startProgress(): Progress {
  const startedAt = Date.now();
  return (text) => {
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1).padStart(7);
    process.stderr.write(`${seconds}s  ${printable(text)}\n`);
  };
}

export interface ScreenOptions {
  /** Lines, also on a terminal. */
  plain?: boolean | undefined;
  /** Show no list before there is a step, for work that is usually done already. */
  lazy?: boolean;
}

/**
 * Runs `work` with its progress on standard error: a list that is redrawn on a terminal, otherwise lines. The list stays on the screen
 * afterwards.
 * @param title what runs, e.g. `web-1: up`
 */
export async function withProgress<T>(
  title: string,
  { plain, lazy }: ScreenOptions,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const screen = isLive(process.stderr, process.env, plain) ? await openList(title, lazy) : plainScreen();
  try {
    const result = await work(screen.progress);
    screen.close("done");
    return result;
  } catch (error) {
    screen.close("failed");
    throw error;
  }
}

/** Only on a terminal is what draws loaded. */
const openList = async (title: string, lazy?: boolean): Promise<Screen> =>
  (await import("./live.ts")).liveScreen(title, process.stderr, lazy);

const plainScreen = (): Screen => ({ progress: startProgress(), close: () => undefined });
