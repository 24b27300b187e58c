import { appendFileSync } from "node:fs";
import { messageOf } from "../errors.ts";

/**
 * A program's output in a file that only its owner can read. A disk that fills up (ENOSPC) does not end the program's work half-way:
 * what cannot be written is dropped.
 * @param onLost called once, with the reason, when the file cannot be written any more
 * @returns adds a line
 */
export function outputLog(file: string, onLost: (reason: string) => void): (line: string) => void {
  let isLost = false;
  return (line) => {
    if (isLost) return;
    try {
      appendFileSync(file, `${line}\n`, { mode: 0o600 });
    } catch (error) {
      isLost = true;
      onLost(messageOf(error));
    }
  };
}
