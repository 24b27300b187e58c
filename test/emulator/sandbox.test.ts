import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packTar } from "modern-tar";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ROOT } from "../../emulator/machine/files/inode.ts";
import { layDebian, mountVolatile } from "../../emulator/machine/files/root-filesystems.ts";
import { FileTree } from "../../emulator/machine/files/tree.ts";
import { userNamed } from "../../emulator/machine/files/users.ts";
import { Volume } from "../../emulator/machine/files/volume.ts";
import { runCommand } from "../../emulator/machine/shell.ts";
import { mayReadStdin } from "../../emulator/machine/stdin.ts";
import type { MachineControls } from "../../emulator/machine/system/machine-controls.ts";

let outside: string;
let volume: Volume;
let tree: FileTree;

beforeEach(async () => {
  outside = await mkdtemp(join(tmpdir(), "clawdlets-sandbox-"));
  await writeFile(join(outside, "secret"), "HOST-SECRET");
  open();
  layDebian(tree, "box");
});
afterEach(async () => {
  volume.flush();
  await rm(outside, { recursive: true, force: true });
});

function open(): void {
  volume = new Volume(join(outside, "disk"));
  tree = new FileTree(volume);
  mountVolatile(tree, "boot");
}

const host: MachineControls = {
  os: "debian",
  hostname: "box",
  architecture: "x86",
  hasIpv4: true,
  normalUsers: ["admin"],
  cloudInit: null,
  isMounted: () => false,
  kexec: () => undefined,
  reboot: () => undefined,
  powerOff: () => undefined,
  formatDisk: () => undefined,
  installSystem: () => null,
  activateSystem: () => null,
  runDetached: () => undefined,
  bootId: "boot",
  later: () => undefined,
};

async function run(command: string, stdin: Buffer | string = "", name = "root") {
  const user = userNamed(name, ["admin"]);
  if (user === null) throw new Error(`no user ${name}`);
  const { signal } = new AbortController();
  const result = await runCommand({
    machine: host,
    tree,
    user,
    command,
    stdin: Buffer.from(stdin),
    signal,
    faults: [],
  });
  return { status: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

test.each([
  "cat ../../../secret /../secret /../../../../../etc/hostname/../../secret",
  "cd / && cd .. && cat secret",
  "ln -s ../../secret /l; cat /l",
  "ln -s / /l; cat /l/../secret",
  "mkdir -p /a/b && ln -s ../../../../.. /a/b/up && cat /a/b/up/secret",
  "head -c 99 ../secret; tail ../secret; grep . ../secret; sed p ../secret; awk 1 ../secret; tee </../secret",
  "find / -name secret; ls -R / | grep secret",
  "cp /../secret /copy; mv /../secret /moved; cat /copy /moved",
  "tar -C /.. -cf- secret",
  "while read l; do echo $l; done < ../secret",
])("nothing above the disk is reached by: %s", async (command) => {
  const { out } = await run(command);
  expect(out).not.toContain("HOST-SECRET");
  expect(out).not.toMatch(/^secret$/m);
});

test.each([
  "echo x > ../evil; echo x > /../evil; echo x > /../../evil",
  "mkdir -p ../evil /../evil; touch /../evil/f",
  "ln -s ../evil /l; echo x > /l",
  "ln -s .. /l; echo x > /l/evil",
  "cp /etc/hostname ../evil; mv /etc/hostname ../evil",
  "rm -rf ../secret /../secret",
])("nothing above the disk is written or removed by: %s", async (command) => {
  await run(command);
  expect((await readdir(outside)).filter((name) => !name.startsWith("disk"))).toEqual(["secret"]);
  expect(await readFile(join(outside, "secret"), "utf8")).toBe("HOST-SECRET");
});

test("an archive with .., absolute names or links leads nowhere either", async () => {
  const body = new TextEncoder().encode("evil");
  const file = (name: string) => ({ header: { name, type: "file" as const, size: body.length, mode: 0o644 }, body });
  const link = (name: string, linkname: string) => ({ header: { name, type: "symlink" as const, size: 0, linkname } });
  const archive = await packTar([
    file("../evil"),
    file("/../evil"),
    file("/abs"),
    link("up", "../../.."),
    file("up/evil"),
    link("l", "/etc"),
    file("l"),
  ]);
  const { status, err } = await run("tar -C / -xf-", Buffer.from(archive));
  expect([status, err]).toEqual([2, expect.stringContaining("Member name contains '..'")]);
  expect((await readdir(outside)).filter((name) => !name.startsWith("disk"))).toEqual(["secret"]);
  expect((await run("cat /abs; readlink /l || cat /l")).out).toBe("evilevil");
});

test("a link planted in the folder is not followed (symlink attack)", async () => {
  volume.flush();
  await symlink(join(outside, "secret"), join(outside, "disk", "planted"));
  open();
  expect((await run("cat /planted")).err).toContain("No such file");
  await run("echo x > /planted");
  expect(await readFile(join(outside, "secret"), "utf8")).toBe("HOST-SECRET");
});

test("nothing of this process or machine shows", async () => {
  const { out } = await run(
    "env; cat /proc/self/environ /proc/1/cmdline /etc/passwd; echo $PPID; uname -n; printenv HOME PATH",
  );
  expect(out).not.toContain(process.cwd());
  expect(out).not.toContain(process.env["PATH"] ?? "?");
});

test("owners, modes and links outlive the process", async () => {
  await run(
    "mkdir -p -m 750 /data/x; echo hi > /data/x/f; chmod 640 /data/x/f; chown 1000:100 /data/x/f; ln -s x/f /data/l",
  );
  volume.flush();
  open();
  const { out } = await run("stat -c '%a %u:%g %U' /data/x/f; readlink /data/l; cat /data/l");
  expect(out).toBe("640 1000:100 admin\nx/f\nhi\n");
});

test.each([
  ["cat /root/f", "root file in a 0700 folder"],
  ["ls /root", "root's folder"],
  ["echo x > /etc/hostname", "a file of root's"],
  ["touch /etc/new", "a folder of root's"],
  ["rm /etc/hostname", "a folder of root's"],
  ["chmod 777 /etc/hostname", "another's mode"],
  ["chown admin /etc/hostname", "another's owner"],
  ["mkdir /x", "the root folder"],
])("admin is refused: %s (%s)", async (command) => {
  await run("echo x > /root/f");
  const { status, out } = await run(command, "", "admin");
  expect([status === 0, out]).toEqual([false, ""]);
  expect((await run("cat /etc/hostname")).out).toBe("box\n");
});

test("archives keep modes for root, and owners too unless told not to", async () => {
  const body = new TextEncoder().encode("x");
  const header = { name: "f", type: "file" as const, size: 1, mode: 0o4751, uid: 1000, gid: 100 };
  const archive = Buffer.from(await packTar([{ header, body }]));
  await run("mkdir /same /not");
  await run("tar -C /same -xf-", archive);
  await run("tar -C /not -xf- --no-same-owner", archive);
  expect((await run("stat -c '%a %u:%g' /same/f /not/f")).out).toBe("4751 1000:100\n4751 0:0\n");
});

test("umask holds, also for what is made in between", async () => {
  const { out } = await run("umask 077; mkdir /u; echo x > /u/f; stat -c %a /u /u/f; umask");
  expect(out).toBe("700\n600\n0077\n");
  expect(tree.existing("/u", ROOT).node.mode).toBe(0o700);
});

test.each([
  ["exit 0", false],
  ["true && cat /etc/hostname", false],
  ["enableDebug= sh --", true],
  ["tar -C /mnt -xf- --no-same-owner", true],
  ["cat > /x", true],
  ["umask 077; mkdir -p /a; cat > /a/b", true],
  ["while read f o; do chown $o $f; done", true],
  ["/nix/store/0123456789abcdfghijklmnpqrsvwxyz-disko", false],
  ["if then", false],
])("%s waits for input: %s", (command, expected) => {
  expect(mayReadStdin(command)).toBe(expected);
});
