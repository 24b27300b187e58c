/** The versions we use, with reasons. `go.mod` and `go.sum` pin the sources byte for byte. */
export const pins = {
  /** The newest that is both on npm and, as `pkg`, on Go's module proxy: docs/dependencies.md. */
  pulumi: "3.276.0",
  /** Exactly the schema of terraform-provider-hcloud 1.68.0. */
  hcloud: "1.41.0",
  /** Keeps in the state what was drawn from a list of locations or types. */
  random: "4.21.2",
  /** The newest release of the plugin. The registry's 4.5.0 is not one. */
  command: "1.2.1",
  /** Reads and writes stdin by /dev/stdin, and knows `--filename-override`. */
  sops: "3.13.3",
  /** What sops 3.13.3 itself is built with. For tests alone. */
  age: "1.3.1",
  /** Oldest sops on PATH that is accepted instead: the first with `--filename-override` for every subcommand in use. */
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

/** `linux-x64`: what official downloads are made for. */
export type Platform = `${"linux" | "darwin"}-${"x64" | "arm64"}`;

export const platform: Platform = `${process.platform === "darwin" ? "darwin" : "linux"}-${process.arch === "arm64" ? "arm64" : "x64"}`;

/**
 * SHA-256 of the official downloads of these versions, none of them from the server that has the file. Files without a digest here are
 * never downloaded, but built from source.
 */
export const digests: Readonly<Record<"pulumi" | "sops" | PluginName, Readonly<Partial<Record<Platform, string>>>>> = {
  // From github.com/pulumi/homebrew-tap, Formula/pulumi.rb, for versions that it names: docs/dependencies.md.
  pulumi: {},
  // As pinned by several unrelated public repositories, which all agree.
  sops: {
    "linux-x64": "e5bec3346a873ae91d871550f3e698c1aad962aff462a080e40f25fde17fef6b",
    "linux-arm64": "53b0abacd38ef1b12a66d6c100956691b9cefce018d91f81e73ddf7438b94d77",
    "darwin-x64": "42162d5cef10b74fcf80a045a70e658d7ce6e63d6ea1be6f347e44015714468d",
    "darwin-arm64": "b97c0d434aab577dc40310e8d22ff9e45eef4c80638ab978daae9b4681c59286",
  },
  // Published only on the servers themselves.
  hcloud: {},
  random: {},
  command: {},
};
