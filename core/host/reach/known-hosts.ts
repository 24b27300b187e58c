import { withFileLock } from "../../base/machine/file-lock.ts";
import { readPrivateFile, writePrivateFile } from "../../base/machine/private-files.ts";

/** One line of a known_hosts file. */
export function knownHostsLine(names: readonly string[], publicKey: string): string {
  return `${names.join(",")} ${publicKey}\n`;
}

/** The names ssh looks a host up by: its own, and its address in the form that belongs to the port. */
export function namesOf(host: string, address: string, port: number): string[] {
  return [host, port === 22 ? address : `[${address}]:${port}`];
}

/** Pins the key of one host, by name and address, in place of every older line that names either. */
export async function pinHostKey(file: string, names: readonly string[], publicKey: string): Promise<void> {
  await withFileLock(file, async () => {
    const kept = (readPrivateFile(file) ?? "").split("\n").filter((line) => {
      const [lineNames = ""] = line.split(" ");
      return line.trim() !== "" && !lineNames.split(",").some((name) => names.includes(name));
    });
    await writePrivateFile(file, [...kept, knownHostsLine(names, publicKey)].join("\n"));
  });
}
