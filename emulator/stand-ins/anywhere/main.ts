import { spawn } from "node:child_process";
import { createReadStream, existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Arguments, defaultKexec, parseArguments } from "./arguments.ts";
import { type Built, build, writeClosure } from "./closure.ts";
import { aborted, Exit } from "./exit.ts";
import { type Facts, gatherFacts } from "./facts.ts";
import { exitOf, Remote } from "./remote.ts";

// The real script waits 1, 3 and 5 s between its tries, for real hardware.
const POLL_MS = 100;
/** `pr -2t` gives each of its two columns 35 characters: longer paths are cut. A trap of the real script, kept. */
const CHOWN_PATH_MAX = 35;

/** @returns the exit status */
export async function main(argv: string[]): Promise<number> {
  process.stderr.write("stand-in nixos-anywhere (emulator): not the real thing\n");
  const temporary = await mkdtemp(join(tmpdir(), "nixos-anywhere-"));
  try {
    await run(parseArguments(argv, say), temporary);
    return 0;
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    if (error.message !== "") (error.onStdout ? process.stdout : process.stderr).write(`${error.message}\n`);
    return error.status;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function run(given: Arguments, temporary: string): Promise<void> {
  const built = await whatToInstall(given);
  const remote = new Remote(join(temporary, "nixos-anywhere"), given.sshOptions, given.host, given.debug);
  await resolveDestination(remote);
  const host = given.host.replace(/^.*@/, "");
  // Without the kexec phase it is taken to have happened already, and root is who one talks to.
  if (!given.phases.has("kexec")) remote.destination = `root@${host}`;
  await uploadKey(given, remote, temporary);
  step("Gathering machine facts");
  const { isInstaller, hasIpv6Only, architecture } = await gatherFacts(remote);
  if (given.phases.has("kexec") && !isInstaller) await kexec(given, remote, host, { hasIpv6Only, architecture });
  if (given.phases.has("disko")) await disko(given, remote, built);
  if (given.phases.has("install")) await install(given, remote, built, temporary);
  if (given.phases.has("reboot")) await reboot(remote);
  step("Done!");
}

async function whatToInstall(given: Arguments): Promise<Built> {
  if (given.flake !== null) {
    const needsBuild = given.phases.has("disko") || given.phases.has("install");
    return needsBuild
      ? build(given.flake)
      : {
          disko: "",
          system: "",
          hostname: given.flake.attribute,
          adminKeys: [],
          systemKeys: [],
          publicSsh: false,
          architecture: "x86_64-linux",
          repository: null,
          breaks: [],
        };
  }
  const paths = given.storePaths;
  if (paths === null) throw aborted("--flake or --store-paths must be set");
  throw aborted(`${paths.disko} and ${paths.system} must be existing store-paths`);
}

/** `ssh -G`, whose output the real script reads the user from. */
async function resolveDestination(remote: Remote): Promise<void> {
  const child = spawn("ssh", [...remote.args, "-G", remote.destination], { stdio: ["ignore", "ignore", "inherit"] });
  const status = await exitOf(child);
  if (status !== 0) throw new Exit(status);
}

async function uploadKey(given: Arguments, remote: Remote, temporary: string): Promise<void> {
  const key = join(temporary, "nixos-anywhere");
  await mkdir(join(homedir(), ".ssh"), { recursive: true, mode: 0o700 });
  const fromEnvironment = process.env["SSH_PRIVATE_KEY"];
  if (given.identity !== null) await copyFile(given.identity, key);
  else if (fromEnvironment !== undefined) await writeFile(key, `${fromEnvironment}\n`, { mode: 0o600 });
  else await mustSucceed("ssh-keygen", ["-q", "-t", "ed25519", "-f", key, "-P", "", "-C", "nixos-anywhere"]);
  if (given.identity !== null || fromEnvironment !== undefined) {
    await writeFile(`${key}.pub`, await outputOf("ssh-keygen", ["-y", "-f", key]));
  }
  step("Uploading install SSH keys");
  // For ever, like the real one: callers need their own deadline.
  const words = ["-o", "IdentitiesOnly=no", "-o", "ConnectTimeout=10", ...remote.args, remote.destination];
  while ((await exitOf(spawn("ssh-copy-id", words, { stdio: "inherit" }))) !== 0) await sleep(POLL_MS * 3);
}

async function kexec(
  given: Arguments,
  remote: Remote,
  host: string,
  facts: Pick<Facts, "hasIpv6Only" | "architecture">,
): Promise<void> {
  step("Switching system into kexec");
  // As the real one: GitHub has no IPv6, so it asks a third party's proxy.
  const wanted = given.kexecUrl ?? defaultKexec(facts.architecture);
  const url = facts.hasIpv6Only ? wanted.replace(/^https:\/\/github\.com\//, "https://gh-v6.com/") : wanted;
  const isLocal = existsSync(url);
  const source = isLocal ? 'cat "$HOME/kexec/kexec-tarball.tar.gz"' : `wget ${quote(url)} -O-`;
  const script = `{
  set -eu
  cd "$HOME/kexec"
  echo Downloading kexec tarball, this may take a moment...
  ${source} | tar -xv --gzip
  TMPDIR="$HOME/kexec" setsid --wait "$HOME/kexec/kexec/run" --kexec-extra-flags ${quote(given.kexecExtraFlags)}
} 2>&1 | tee "$HOME/kexec/nixos-anywhere.log" || true
if ! grep -q 'machine will boot into nixos' "$HOME/kexec/nixos-anywhere.log"; then
  echo 'Kexec may have failed - check output above'
  exit 1
fi
`;
  await remote.run(['mkdir -p "$HOME/kexec" && cat > "$HOME/kexec/nixos-anywhere-kexec.sh"'], script);
  if (isLocal) await remote.run(['cat > "$HOME/kexec/kexec-tarball.tar.gz"'], createReadStream(url));
  const { status } = await remote.try(['bash "$HOME/kexec/nixos-anywhere-kexec.sh"'], null, false);
  if (status !== 0) {
    const { stdout } = await remote.capture(['cat "$HOME/kexec/nixos-anywhere.log" 2>/dev/null']);
    throw new Exit(1, `Remote output log:\n${stdout}\nKexec failed`);
  }
  remote.changePort(given.postKexecSshPort);
  while (await remote.isThere()) await sleep(POLL_MS);
  remote.destination = `root@${host}`;
  while ((await remote.try(["-o", "ConnectTimeout=10", "--", "exit", "0"], null, false)).status !== 0)
    await sleep(POLL_MS);
  step("Gathering machine facts");
  if (!(await gatherFacts(remote)).isInstaller) throw aborted("Failed to kexec into NixOS installer");
}

async function disko(given: Arguments, remote: Remote, built: Built): Promise<void> {
  for (const [path, local] of given.diskEncryptionKeys) {
    step(`Uploading ${local} to ${path}`);
    await remote.run([`umask 077; mkdir -p "$(dirname ${path})"; cat > ${path}`], await readFile(local, "utf8"));
  }
  step("Formatting hard drive with disko");
  await remote.run([built.disko]);
}

async function install(given: Arguments, remote: Remote, built: Built, temporary: string): Promise<void> {
  step("Uploading the system closure");
  const closure = join(temporary, "closure");
  await writeClosure(built, closure);
  await pipeTar(remote, closure, "tar -C /mnt -xf- --no-same-owner");
  if (given.extraFiles !== null) {
    step("Copying extra files");
    await pipeTar(remote, given.extraFiles, "tar -C /mnt -xf- --no-same-owner");
    // tar also changes the permissions of /mnt
    await remote.run(["chmod 755 /mnt"]);
  }
  if (given.owners.size > 0) {
    const lines = [...given.owners].map(([path, owner]) => `${path.slice(0, CHOWN_PATH_MAX)} ${owner}\n`).join("");
    await remote.run(['while read file ownership; do chown -R "$ownership" "/mnt/$file"; done'], lines);
  }
  step("Installing NixOS");
  const copyHostKeys = `mkdir -m 755 -p /mnt/etc/ssh
for p in /etc/ssh/ssh_host_*; do
  if [ -e "$p" ] && [ ! -e "/mnt/$p" ]; then cp -a "$p" "/mnt/$p"; fi
done
`;
  const script = `set -eu
export PATH="$PATH:/run/current-system/sw/bin"
if [ ! -d /mnt/tmp ]; then
  mkdir -p /mnt/tmp
  chmod 777 /mnt/tmp
fi
${given.copyHostKeys ? copyHostKeys : ""}nixos-install --no-root-passwd --no-channel-copy --system ${quote(built.system)}
`;
  await remote.run(["sh"], script);
}

async function reboot(remote: Remote): Promise<void> {
  step("Rebooting");
  await remote.run(["sh"], "nohup sh -c 'sleep 6 && reboot' >/dev/null 2>&1 &\n");
  step("Waiting for the machine to become unreachable due to reboot");
  // And that is all: the host need not have come up again, and nobody looks.
  while (await remote.isThere()) await sleep(POLL_MS);
}

async function pipeTar(remote: Remote, folder: string, command: string): Promise<void> {
  const packing = spawn("tar", ["-C", folder, "-cpf-", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const [packed] = await Promise.all([exitOf(packing), remote.run([command], packing.stdout)]);
  if (packed !== 0) throw new Exit(packed);
}

async function mustSucceed(command: string, args: string[]): Promise<void> {
  const status = await exitOf(spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] }));
  if (status !== 0) throw new Exit(status);
}

async function outputOf(command: string, args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const status = await exitOf(child);
  if (status !== 0) throw new Exit(status);
  return output;
}

function step(text: string): void {
  say(`### ${text} ###`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
