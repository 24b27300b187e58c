import xterm from "@xterm/headless";
import { execa } from "execa";

export interface OnScreen {
  /** What a person sees in the end, from the first line on; without the empty ones below. */
  lines: string[];
  /** Lines that were too wide for the terminal, which broke them. */
  broken: string[];
  raw: string;
  isCursorHidden: boolean;
  exitCode: number;
}

export interface Pty {
  columns: number;
  rows?: number;
  cwd: string;
  env?: Record<string, string>;
  /** Called with everything written so far. Return text to type, as Ctrl-C is `\u0003`. */
  type?: (raw: string) => string | undefined;
}

/** Runs a command of a shell on a real terminal (util-linux `script`), whose output a terminal emulator (xterm.js) interprets. */
export async function onScreen(command: string, { columns, rows = 40, cwd, env, type }: Pty): Promise<OnScreen> {
  const child = execa("script", ["-qec", `stty cols ${columns} rows ${rows}; exec ${command}`, "/dev/null"], {
    cwd,
    // What of this run's own environment would decide in place of the terminal.
    env: { CI: undefined, NO_COLOR: undefined, FORCE_COLOR: undefined, TERM: "xterm-256color", ...env },
    reject: false,
    timeout: 120_000,
  });
  let raw = "";
  child.stdout.on("data", (data: Buffer) => {
    raw += data.toString();
    const text = type?.(raw);
    if (text !== undefined) child.stdin.write(text);
  });
  const { exitCode } = await child;
  const terminal = new xterm.Terminal({ cols: columns, rows, scrollback: 5000, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(raw, resolve));
  const all = Array.from({ length: terminal.buffer.active.length }, (_, index) =>
    terminal.buffer.active.getLine(index),
  );
  const lines = all.map((line) => line?.translateToString(true) ?? "");
  while (lines.at(-1) === "") lines.pop();
  return {
    lines,
    broken: all.flatMap((line) => (line?.isWrapped ? [line.translateToString(true)] : [])),
    raw,
    isCursorHidden: raw.lastIndexOf("\u001b[?25l") > raw.lastIndexOf("\u001b[?25h"),
    exitCode: exitCode ?? -1,
  };
}
