import type { InstallSettings } from "../../project/settings/stack-config/install.ts";

/** The parameters of one run of nixos-anywhere. */
export interface InstallerRun {
  /** Phases of nixos-anywhere: `kexec`, `disko,install`, `reboot`. */
  phases: string;
  /** Pinned flake with attribute. */
  flake: string;
  /** What ssh calls the server: its IPv4 address, or a name that the ssh wrappers know. */
  destination: string;
  /** Path of the one-time key. */
  identity: string;
  /** Folder that is copied to the host's `/`; only in the phase `install`. */
  extraFiles?: string | undefined;
  install: InstallSettings;
}

/**
 * The command line of nixos-anywhere, with flags that exist at 91fc9b7. No secrets: every user of this machine can see it.
 * Defaults are omitted. The host is always a flag, not a positional argument, which an unknown flag would be taken for.
 */
export function installerArguments({
  phases,
  flake,
  destination,
  identity,
  extraFiles,
  install,
}: InstallerRun): string[] {
  const argv = ["--flake", flake, "--target-host", `root@${destination}`, "-i", identity, "--phases", phases];
  if (extraFiles !== undefined && phases.split(",").includes("install")) argv.push("--extra-files", extraFiles);
  if (install.buildOn !== "auto") argv.push("--build-on", install.buildOn);
  if (install.kexec !== undefined) argv.push("--kexec", install.kexec);
  argv.push(...nixOption("extra-substituters", install.substituters));
  argv.push(...nixOption("extra-trusted-public-keys", install.trustedPublicKeys));
  argv.push(...install.options);
  return argv;
}

/** nix reads a list as one value separated by spaces; the script passes it on as one argument. */
function nixOption(name: string, values: readonly string[]): string[] {
  return values.length === 0 ? [] : ["--option", name, values.join(" ")];
}
