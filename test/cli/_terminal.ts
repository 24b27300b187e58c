import { execa } from "execa";

const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, "g");

/**
 * Runs a command on a real terminal (util-linux `script`), and types each answer, or calls it, once its question is on the screen. The
 * terminal is told its size first: without one the prompts break every line after one character.
 * @returns everything that was written, one thing after the other, without (`screen`) and with (`raw`) what moves the cursor
 */
export async function onTerminal(
  command: string,
  answers: readonly (readonly [question: string, answer: string | (() => void)])[],
  { timeout = 60_000, ...options }: { cwd: string; env?: Record<string, string>; timeout?: number },
): Promise<{ screen: string; raw: string; exitCode: number }> {
  const child = execa("script", ["-qec", `stty cols 110 rows 40; exec ${command}`, "/dev/null"], {
    ...options,
    // Under CI a terminal gets lines instead of what is redrawn.
    env: { CI: undefined, NO_COLOR: undefined, ...options.env },
    reject: false,
    timeout,
  });
  let screen = "";
  let raw = "";
  let seen = 0;
  const left = [...answers];
  child.stdout.on("data", (data: Buffer) => {
    raw += data.toString();
    screen += data.toString().replace(escapes, "");
    for (let next = left[0]; next; next = left[0]) {
      const at = screen.indexOf(next[0], seen);
      if (at < 0) return;
      seen = at + next[0].length;
      left.shift();
      const [, answer] = next;
      if (typeof answer === "string") child.stdin.write(answer);
      else answer();
    }
  });
  const { exitCode } = await child;
  return { screen, raw, exitCode: exitCode ?? -1 };
}
