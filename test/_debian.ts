/** Real programs of Debian for the tests: where they are, and which are missing. `npm run setup:debian` installs them. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import packages from "./debian-packages.json" with { type: "json" };

/** sshd, visudo and others are in sbin, which PATH of an ordinary user does not have. */
export const path = [process.env["PATH"] ?? "", "/usr/sbin", "/sbin"].join(delimiter);

export const isRoot = process.getuid?.() === 0;

/** Full path of a program, or undefined. */
export function whereIs(program: string): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false; // Not there, or not to be run: the next folder.
      }
    });
}

/** Debian packages of which the program that the tests run is not on this machine. */
export function missingPackages(): string[] {
  return packages.packages.filter(({ program }) => whereIs(program) === undefined).map(({ name }) => name);
}

/** vitest's globalSetup: says once, before the first test, what will be left out and how to change that. */
export default function reportMissing(): void {
  const missing = missingPackages();
  if (missing.length === 0) return;
  process.stderr.write(
    `Tests that need ${missing.join(", ")} are left out. On Debian or Ubuntu, install these with: sudo npm run setup:debian\n`,
  );
}
