import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { build, writeClosure } from "../../emulator/stand-ins/anywhere/closure.ts";
import { Exit } from "../../emulator/stand-ins/anywhere/exit.ts";
import { exitOf } from "../../emulator/stand-ins/anywhere/remote.ts";

/** What stands for this machine's /nix/store: a folder of the lab's. */
const store = process.env["CLAWDLETS_LAB_STORE"] ?? "";
const system = "x86_64-linux";
const attribute = String.raw`(.+)#nixosConfigurations\."([^"]+)"\.config\.`;

type Answer = (...found: string[]) => string | Promise<string>;

/** All that nixos-anywhere asks at 91fc9b7 with `--build-on auto` or `local`, after the options it always gives. */
const answers: readonly (readonly [RegExp, Answer])[] = [
  [/^config show system$/, () => `${system}\n`],
  [/^config show extra-platforms$/, () => "\n"],
  [new RegExp(`^eval --raw ${attribute}pkgs\\.system$`), () => system],
  [
    new RegExp(`^eval --apply toString ${attribute}nix\\.settings\\.substituters$`),
    () => '"https://cache.nixos.org/"\n',
  ],
  [
    new RegExp(`^eval --apply toString ${attribute}nix\\.settings\\.trusted-public-keys$`),
    () => '"cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="\n',
  ],
  [new RegExp(`^build --print-out-paths --no-link ${attribute}system\\.build\\.(diskoScript|toplevel)$`), buildPath],
  [
    /^copy --substitute-on-destination --to ssh:\/\/([^?/]+)\?(\S+) (\/nix\/store\/[a-z0-9]{32}-[\w.+-]+)$/,
    (host = "", settings = "", path = "") => copy(host, new URLSearchParams(settings), path),
  ],
];

/** @returns the exit status */
export async function main(argv: readonly string[]): Promise<number> {
  process.stderr.write("stand-in nix (clawdlets lab): nothing is built\n");
  try {
    process.stdout.write(await answerTo(argv));
    return 0;
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    process.stderr.write(`${error.message}\n`);
    return error.status;
  }
}

async function answerTo(argv: readonly string[]): Promise<string> {
  if (store === "") throw new Exit(1, "stand-in nix: CLAWDLETS_LAB_STORE is not set; it works in the lab only");
  const line = withoutCommonOptions(argv).join(" ");
  for (const [question, answer] of answers) {
    const found = question.exec(line);
    if (found) return answer(...found.slice(1));
  }
  throw new Exit(1, `stand-in nix: "${argv.join(" ")}" is nothing that it answers`);
}

function withoutCommonOptions(argv: readonly string[]): string[] {
  const features = argv.indexOf("--extra-experimental-features");
  const isGiven = features >= 0 && argv[features + 1] === "nix-command flakes";
  return argv.filter(
    (word, at) => word !== "--no-write-lock-file" && !(isGiven && (at === features || at === features + 1)),
  );
}

async function buildPath(uri = "", host = "", what = ""): Promise<string> {
  const built = await build({ uri, attribute: host });
  const path = what === "toplevel" ? built.system : built.disko;
  const inStore = join(store, path);
  if (existsSync(inStore)) return `${path}\n`;
  if (what === "toplevel") await writeClosure(built, store);
  else {
    await mkdir(dirname(inStore), { recursive: true });
    await writeFile(inStore, "#!/bin/sh\nexec disko\n");
    await chmod(inStore, 0o555);
  }
  return `${path}\n`;
}

/**
 * Over the `ssh` on PATH, with the words of NIX_SSHOPTS split at white space and the order of nix 2.2x (ssh.cc): the host
 * first, then the options. Where nix speaks to `nix-store --serve` on the other side, a tar archive goes.
 */
async function copy(host: string, settings: URLSearchParams, path: string): Promise<string> {
  if (!existsSync(join(store, path))) throw new Exit(1, `error: path '${path}' is not valid`);
  const remoteStore = settings.get("remote-store");
  if (remoteStore !== null && remoteStore !== "local?root=/mnt") {
    throw new Exit(1, `stand-in nix: the store "${remoteStore}" is not supported; only local?root=/mnt is`);
  }
  const root = remoteStore === null ? "/" : "/mnt";
  const options = (process.env["NIX_SSHOPTS"] ?? "").split(/\s+/).filter((word) => word !== "");
  if (settings.get("compress") === "true") options.push("-C");
  options.push("-oPermitLocalCommand=yes", "-oLocalCommand=echo started");
  const command = `mkdir -p ${join(root, "nix/store")} && tar -C ${root} -xf- --no-same-owner`;
  const packing = spawn("tar", ["-C", store, "-cpf-", path.slice(1)], { stdio: ["ignore", "pipe", "inherit"] });
  const sending = spawn("ssh", [host, "-x", ...options, "--", command], { stdio: ["pipe", "pipe", "inherit"] });
  // ssh may go away before it has read everything; its status says so.
  sending.stdin.on("error", () => sending.stdin.destroy());
  packing.stdout.pipe(sending.stdin);
  const said: string[] = [];
  createInterface({ input: sending.stdout }).on("line", (line) => said.push(line));
  const [packed, sent] = await Promise.all([exitOf(packing), exitOf(sending)]);
  // Nix waits for this line, which LocalCommand prints, before it says a word to the other side.
  if (packed !== 0 || sent !== 0 || said[0] !== "started") {
    throw new Exit(1, `error: failed to start SSH connection to '${host}'`);
  }
  return "";
}
