import type { InstallSettings } from "../../project/settings/stack-config.ts";

/** What one run of nixos-anywhere is told. */
export interface InstallerRun {
  /** Of nixos-anywhere: `kexec`, `disko,install`, `reboot`. */
  phases: string;
  /** Pinned flake with attribute. */
  flake: string;
  /** IPv4 address of the server. */
  address: string;
  /** Path of the one-time key. */
  identity: string;
  /** Folder that is sent to the host's root; with the phase `install` only. */
  extraFiles?: string | undefined;
  install: InstallSettings;
}

/**
 * The command line of nixos-anywhere, in flags that it knows at 91fc9b7. Nothing secret: everybody on this machine sees it.
 * What is at its default is left out, and so is the bare host's name: an unknown flag would be taken for one.
 */
export function installerArguments({ phases, flake, address, identity, extraFiles, install }: InstallerRun): string[] {
  const argv = ["--flake", flake, "--target-host", `root@${address}`, "-i", identity, "--phases", phases];
  if (extraFiles !== undefined && phases.split(",").includes("install")) argv.push("--extra-files", extraFiles);
  if (install.buildOn !== "auto") argv.push("--build-on", install.buildOn);
  if (install.kexec !== undefined) argv.push("--kexec", install.kexec);
  argv.push(...nixOption("extra-substituters", install.substituters));
  argv.push(...nixOption("extra-trusted-public-keys", install.trustedPublicKeys));
  argv.push(...install.options);
  return argv;
}

/** nix reads a list as one value with spaces in between; the script hands it on as one argument. */
function nixOption(name: string, values: readonly string[]): string[] {
  return values.length === 0 ? [] : ["--option", name, values.join(" ")];
}
