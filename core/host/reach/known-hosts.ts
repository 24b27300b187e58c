import { withFileLock } from "../../base/machine/file-lock.ts";
import { readPrivateFile, readPublicFile, writePrivateFile } from "../../base/machine/private-files.ts";

/** One line of a known_hosts file. */
export function knownHostsLine(names: readonly string[], publicKey: string): string {
  return `${names.join(",")} ${publicKey}\n`;
}

/** The names under which ssh looks a host up: its own, and its address, with the port unless it is 22. */
export function namesOf(host: string, address: string, port: number): string[] {
  return [host, port === 22 ? address : `[${address}]:${port}`];
}

/** Pins a host's key under these names, and removes every older line that has one of them. */
export async function pinHostKey(file: string, names: readonly string[], publicKey: string): Promise<void> {
  await withFileLock(file, () => replacePins(file, names, publicKey));
}

/** For a caller that holds the file's lock. */
async function replacePins(file: string, names: readonly string[], publicKey: string): Promise<void> {
  const kept = (readPrivateFile(file) ?? "").split("\n").filter((line) => {
    return line.trim() !== "" && !namesIn(line).some((name) => names.includes(name));
  });
  await writePrivateFile(file, [...kept, knownHostsLine(names, publicKey)].join("\n"));
}

/**
 * Pins the key that the host's stack file declares, on a machine that has none for it: another one installed the host, or this one's
 * `.clawdlets` was restored from an older copy. A key that is pinned already stays, whatever the stack file says.
 */
export async function pinIfUnknown(file: string, host: string, publicKey: string): Promise<void> {
  // Pinned keys are public, so a file that others can read does not stop a login.
  const isPinned = () => (readPublicFile(file) ?? "").split("\n").some((line) => namesIn(line).includes(host));
  if (isPinned()) return;
  await withFileLock(file, async () => {
    // Another command may have pinned one meanwhile.
    if (!isPinned()) await replacePins(file, [host], publicKey);
  });
}

const namesIn = (line: string): string[] => (line.split(" ")[0] ?? "").split(",");

/** Removes every line of a host that is gone, with the addresses that it had. */
export async function removeHostKey(file: string, host: string): Promise<void> {
  await withFileLock(file, async () => {
    const before = readPrivateFile(file);
    if (before === undefined) return;
    const after = before.split("\n").filter((line) => !namesIn(line).includes(host));
    if (after.length < before.split("\n").length) await writePrivateFile(file, after.join("\n"));
  });
}
