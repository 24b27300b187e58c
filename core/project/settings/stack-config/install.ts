import { z } from "zod";
import { didYouMean } from "../../../base/nearest.ts";
import { matching, withoutLogin } from "../names.ts";
import { eachOnce, plainHttpsUrl, publicList, urlPath, wholeNumber } from "./fields.ts";
import { nixPublicKeys, substituter } from "./nix-caches.ts";

const kexecTarball = withoutLogin(
  matching(
    new RegExp(String.raw`^(?:${plainHttpsUrl})?${urlPath}+\.tar(?:\.gz|\.xz|\.zst)?$`),
    "allowed: an https URL without user, password or query, or an absolute path, of a .tar, .tar.gz, .tar.xz or .tar.zst",
  ),
);

/** Options of nixos-anywhere that a user may add: only those that change how it builds and what it prints. */
export const installerOptions = [
  "--print-build-logs",
  "--show-trace",
  "--no-substitute-on-destination",
  "--no-use-machine-substituters",
] as const;

/** Why some other options of nixos-anywhere are refused. */
const refusedOptions: Readonly<Record<string, string>> = {
  "--debug": "it prints every ssh command",
  "--ssh-option": "it could turn off host key checking",
  "-i": "the one-time key is passed already, and is replaced after the installation",
  "-p": "nixos-anywhere changes it after kexec; CLAWDLETS_SSH_PORT is the port",
  "--ssh-port": "nixos-anywhere changes it after kexec; CLAWDLETS_SSH_PORT is the port",
  "--copy-host-keys": "the installed host has its own key, clawdlets:sshHostKey",
  "--extra-files": "it is used for the host's secrets; put your files into .clawdlets/extra-files/<host>",
  "--phases": "each phase is run separately, so that the host is checked in between",
  "--env-password": "the server has no password; it is reached with a one-time key",
  "--target-host": "the target is always the server of the stack",
  "--flake": "use clawdlets:flake and clawdlets:flakeHost",
  "-f": "use clawdlets:flake and clawdlets:flakeHost",
};

const installerOption = z.enum(installerOptions, {
  error({ input }) {
    const given = typeof input === "string" ? (input.split(/[ =]/)[0] ?? "") : "";
    const why = Object.hasOwn(refusedOptions, given) ? refusedOptions[given] : undefined;
    const hint = why === undefined ? didYouMean(given, installerOptions) : ` (not ${given}: ${why})`;
    return `allowed: ${installerOptions.join(", ")}${hint}; others could change what an installation trusts`;
  },
});

const minutes = wholeNumber(1, 240, "allowed: whole minutes, 1 to 240");

/** Maximum duration of each phase, and of the window around them, in minutes: 1 to 240. */
export const deadlines = z.strictObject(
  {
    /** Booting into the installer, with up to three attempts. @default `15` */
    kexec: minutes.default(15),
    /** Building, partitioning and copying the system. @default `60` */
    install: minutes.default(60),
    /** Until the server shuts down for its first boot. @default `10` */
    reboot: minutes.default(10),
    /** How long TCP/22 may be open in total; after that the installation is stopped and the port closed. @default `60` */
    window: minutes.default(60),
  },
  "allowed: an object with kexec, install, reboot and window, in minutes",
);

/** Used unquoted in a command on the server. */
const diskDevice = matching(
  /^\/dev\/(?:[a-z][a-z0-9]{1,31}|disk\/by-(?:id|path)\/[\w.:+-]{1,120})$/,
  "allowed: a whole disk, e.g. /dev/sda or /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_1",
);

/** How nixos-anywhere is run. The flake, not these settings, decides which disk is wiped. */
export const installSettings = z.strictObject(
  {
    /**
     * The disk that the flake tells disko to wipe. This only checks that the server has that disk before anything is erased;
     * nixos-anywhere has no such option. Hetzner's servers all have `/dev/sda`. @default `/dev/sda`
     */
    disk: diskDevice.default("/dev/sda"),
    /**
     * Where the system is built. `local` needs a nix here that builds for the server's architecture; `remote` needs enough RAM on the server, since
     * the installer runs from RAM; `auto` uses `local` if possible. @default `auto`
     */
    buildOn: z.enum(["auto", "local", "remote"], 'allowed: "auto", "local" or "remote"').default("auto"),
    /** The installer's tarball, as an https URL or an absolute path on this machine. @default nixos-anywhere's own */
    kexec: kexecTarball.optional(),
    /** Further binary caches for the build; each needs its key in `trustedPublicKeys`. @default `[]` */
    substituters: publicList(substituter, "https URLs").default([]),
    /** Signing keys of binary caches. Anyone who has one of the secret keys decides what is installed. @default `[]` */
    trustedPublicKeys: nixPublicKeys.default([]),
    /** Further options of nixos-anywhere, from {@link installerOptions}. @default `[]` */
    options: publicList(installerOption, "options of nixos-anywhere").superRefine(eachOnce("option")).default([]),
    deadlines: deadlines.prefault({}),
    /**
     * `full`: kexec, disko and nixos-install on a new server. `snapshot`: the server starts from the snapshot `clawdlets:image`, from
     * `clawdlets image bake`, and only gets its keys and secrets. @default `full`
     */
    mode: z.enum(["full", "snapshot"], 'allowed: "full" or "snapshot"').default("full"),
  },
  "allowed: an object with disk, buildOn, kexec, substituters, trustedPublicKeys, options, deadlines and mode",
);

export type InstallSettings = z.infer<typeof installSettings>;
