/** What is run, and why just that. `go.mod` and `go.sum` pin the sources to their last byte. */
export const pins = {
  /** Newest whose `pkg` module the Go module proxy serves; @pulumi/pulumi in package.json is the same. */
  pulumi: "3.259.0",
  /** Exactly the schema of terraform-provider-hcloud 1.68.0. */
  hcloud: "1.41.0",
  /** For teams' own programs; ours needs no randomness in the state. */
  random: "4.21.2",
  /** Newest release of the plugin. The registry's 4.5.0 is no release of it. */
  command: "1.2.1",
  /** Reads and writes stdin by /dev/stdin, and knows `--filename-override`. */
  sops: "3.13.3",
  /** What sops 3.13.3 itself is built with. For tests alone. */
  age: "1.3.1",
  /** Oldest sops on PATH that is taken instead: the first with `--filename-override` for every subcommand in use. */
  oldestSops: "3.9",
  /** Oldest Go that the modules build with. */
  go: "1.26",
} as const;

export type PluginName = "hcloud" | "random" | "command";
export const plugins: readonly PluginName[] = ["hcloud", "random", "command"];

/** Whether `found` (`1.26.8`, `3.9`) is `wanted` (`1.26`) or newer, by its first two numbers. */
export function isAtLeast(found: string, wanted: string): boolean {
  const [foundMajor = 0, foundMinor = 0] = found.split(".").map(Number);
  const [major = 0, minor = 0] = wanted.split(".").map(Number);
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
}
