import { aborted, Exit } from "./exit.ts";

export type Phase = "kexec" | "disko" | "install" | "reboot";
const PHASES: readonly Phase[] = ["kexec", "disko", "install", "reboot"];

export interface Arguments {
  flake: { uri: string; attribute: string } | null;
  storePaths: { disko: string; system: string } | null;
  host: string;
  identity: string | null;
  /** `-p PORT` and `-o OPTION`, in the order given. */
  sshOptions: string[];
  postKexecSshPort: string;
  /** Null for {@link defaultKexec}. */
  kexecUrl: string | null;
  kexecExtraFlags: string;
  extraFiles: string | null;
  owners: Map<string, string>;
  diskEncryptionKeys: Map<string, string>;
  phases: Set<Phase>;
  diskoMode: "disko" | "mount" | "format";
  copyHostKeys: boolean;
  debug: boolean;
}

// How many arguments each option takes, as read from the real script at 91fc9b7. What is not here is refused; the real one
// takes an unknown option for the host's name, which is how a misspelt one goes unseen.
const OPTIONS: Record<string, number> = {
  "-f": 1,
  "--flake": 1,
  "--target-host": 1,
  "-i": 1,
  "-p": 1,
  "--ssh-port": 1,
  "--ssh-option": 1,
  "-L": 0,
  "--print-build-logs": 0,
  "-s": 2,
  "--store-paths": 2,
  "--generate-hardware-config": 2,
  "-t": 0,
  "--tty": 0,
  "--help": 0,
  "--kexec": 1,
  "--force-kexec": 0,
  "--kexec-extra-flags": 1,
  "--ssh-store-setting": 2,
  "--post-kexec-ssh-port": 1,
  "--copy-host-keys": 0,
  "--show-trace": 0,
  "--debug": 0,
  "--disko-mode": 1,
  "--no-disko-deps": 0,
  "--build-on": 1,
  "--extra-files": 1,
  "--chown": 2,
  "--disk-encryption-keys": 2,
  "--phases": 1,
  "--stop-after-disko": 0,
  "--no-reboot": 0,
  "--from": 1,
  "--option": 2,
  "--no-substitute-on-destination": 0,
  "--no-use-machine-substituters": 0,
  "--build-on-remote": 0,
  "--env-password": 0,
  "--vm-test": 0,
};

const NOT_HERE = ["--vm-test", "--env-password", "--generate-hardware-config"];
/** @param architecture as `uname -m` prints it */
export const defaultKexec = (architecture: string): string =>
  `https://github.com/nix-community/nixos-images/releases/download/nixos-25.11/nixos-kexec-installer-noninteractive-${architecture}-linux.tar.gz`;
const USAGE = `Usage: nixos-anywhere [options] [<ssh-host>]

Options (stand-in; as the real one):
${Object.keys(OPTIONS)
  .map((name) => `* ${name}`)
  .join("\n")}
`;

export function parseArguments(argv: readonly string[], say: (line: string) => void): Arguments {
  const parsed = empty();
  let flake = "";
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (!word.startsWith("-")) {
      // A second bare word is an error in the real one too: usage on standard output.
      if (parsed.host !== "") throw new Exit(1, USAGE, true);
      parsed.host = word;
      continue;
    }
    const count = OPTIONS[word];
    if (count === undefined)
      throw aborted(`unknown option ${word} (the real nixos-anywhere would take it for the host)`);
    if (NOT_HERE.includes(word)) throw aborted(`${word} is not emulated`);
    const values = argv.slice(at + 1, at + 1 + count);
    if (values.length < count) throw new Exit(1, `nixos-anywhere: ${word} needs ${count} argument(s)`);
    at += count;
    // The real script shifts once too often here, and loses the next argument.
    if (word === "--force-kexec") at += 1;
    const [first = "", second = ""] = values;
    if (word === "-f" || word === "--flake") flake = first;
    else take(parsed, word, first, second, say);
  }
  if (parsed.host === "") throw aborted("ssh-host must be set");
  if (flake !== "") parsed.flake = splitFlake(flake);
  if (parsed.flake === null && parsed.storePaths === null) throw aborted("--flake or --store-paths must be set");
  return parsed;
}

function take(parsed: Arguments, word: string, first: string, second: string, say: (line: string) => void): void {
  switch (word) {
    case "--help":
      throw new Exit(0, USAGE, true);
    case "--target-host":
      parsed.host = first;
      return;
    case "-i":
      parsed.identity = first;
      return;
    case "-p":
    case "--ssh-port":
      parsed.sshOptions.push("-p", first);
      return;
    case "--ssh-option":
      parsed.sshOptions.push("-o", first);
      return;
    case "-s":
    case "--store-paths":
      parsed.storePaths = { disko: first, system: second };
      return;
    case "--kexec":
      parsed.kexecUrl = first;
      return;
    case "--kexec-extra-flags":
      parsed.kexecExtraFlags = first;
      return;
    case "--post-kexec-ssh-port":
      parsed.postKexecSshPort = first;
      return;
    case "--copy-host-keys":
      parsed.copyHostKeys = true;
      return;
    case "--debug":
      parsed.debug = true;
      return;
    case "--disko-mode":
      if (first !== "disko" && first !== "mount" && first !== "format") {
        throw aborted(`Supported values for --disko-mode are disko, mount and format. Unknown mode : ${first}`);
      }
      parsed.diskoMode = first;
      return;
    case "--build-on":
      if (!["auto", "local", "remote"].includes(first)) {
        throw aborted(`Supported values for --build-on are auto, local and remote. Unknown mode : ${first}`);
      }
      return;
    case "--extra-files":
      parsed.extraFiles = first;
      return;
    case "--chown":
      parsed.owners.set(first, second);
      return;
    case "--disk-encryption-keys":
      parsed.diskEncryptionKeys.set(first, second);
      return;
    case "--phases":
      parsed.phases = phasesOf(first);
      return;
    case "--stop-after-disko":
      say("WARNING: --stop-after-disko is deprecated, use --phases kexec,disko instead");
      parsed.phases = new Set(["kexec", "disko"]);
      return;
    case "--no-reboot":
      say("WARNING: --no-reboot is deprecated, use --phases kexec,disko,install instead");
      parsed.phases = new Set(["kexec", "disko", "install"]);
      return;
    default:
      // Known, and about building: the stand-in builds nothing.
      return;
  }
}

function phasesOf(list: string): Set<Phase> {
  const phases = new Set<Phase>();
  for (const word of list.split(",")) {
    const phase = PHASES.find((candidate) => candidate === word);
    if (phase === undefined) throw aborted(`Unknown phase: ${word}`);
    phases.add(phase);
  }
  return phases;
}

function splitFlake(text: string): { uri: string; attribute: string } {
  const match = /^(.*)#([^#"]+)$/.exec(text);
  if (match === null) {
    throw new Exit(
      1,
      "Please specify the name of the NixOS configuration to be installed, as a URI fragment in the flake-uri.\n" +
        'For example, to use the output nixosConfigurations.foo from the flake.nix, append "#foo" to the flake-uri.',
    );
  }
  return { uri: match[1] ?? "", attribute: (match[2] ?? "").replace(/^nixosConfigurations\./, "") };
}

function empty(): Arguments {
  return {
    flake: null,
    storePaths: null,
    host: "",
    identity: null,
    sshOptions: [],
    postKexecSshPort: "22",
    kexecUrl: null,
    kexecExtraFlags: "",
    extraFiles: null,
    owners: new Map(),
    diskEncryptionKeys: new Map(),
    phases: new Set(PHASES),
    diskoMode: "disko",
    copyHostKeys: false,
    debug: false,
  };
}
