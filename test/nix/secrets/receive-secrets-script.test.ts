import { createReadStream, statSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, expect, test } from "vitest";
import { refusal } from "./_receiving-host.ts";
import { exchangeShim, ScriptHost, script } from "./_script-host.ts";
import { type Identity, isOpenedBy, newIdentity, sealed, secretFiles, tarOf } from "./_sets.ts";

// What the emulated machine has no counterpart for: processes, signals and an environment.

let present: Identity;
let next: Identity;
let before: Record<string, Buffer>;
let rotation: Buffer;

beforeAll(async () => {
  [present, next] = await Promise.all([newIdentity(), newIdentity()]);
  before = await secretFiles(["alpha"], present);
  const after = await secretFiles(["beta"], present, next);
  rotation = await tarOf({ ...after, "identity.age": await sealed(next.text, present, next) });
});

async function newHost(): Promise<ScriptHost> {
  return new ScriptHost({ secrets: before, key: present.text }, await exchangeShim());
}

test("looks for keys in the key file alone", async () => {
  const host = await newHost();
  const stranger = await newIdentity();
  await host.plant("keys.txt", stranger.text);
  await host.plant(".config/sops/age/keys.txt", stranger.text);
  host.more = { SOPS_AGE_KEY: stranger.text, SOPS_AGE_KEY_FILE: join(host.folder, "keys.txt"), HOME: host.folder };
  const files = await secretFiles(["alpha"], stranger);
  expect(await host.send(await tarOf(files))).toEqual(
    refusal("alpha.yaml: does not decrypt with the host's current identity"),
  );
});

test("reads no more than 256 MiB", async () => {
  const host = await newHost();
  const input = createReadStream("/dev/zero", { end: 256 * 1024 * 1024 });
  const options = { env: host.env, extendEnv: false, input, reject: false } as const;
  const { exitCode, stderr } = await execa("bash", [script], options);
  expect([exitCode, stderr]).toEqual([1, refusal("more than 256 MiB").stderr.trim()]);
});

test("refuses what tar puts there beside what it listed", async () => {
  const host = await newHost();
  const tar = (await execa("sh", ["-c", "command -v tar"])).stdout;
  const place = `ln -s /etc/shadow '${host.folder}/hosts/.web-1.new/files/x.yaml'`;
  host.program("tar", `case " $* " in *" --extract "*) ${place} ;; esac\nexec ${tar} "$@"`);
  const files = await host.files();
  expect(await host.send(rotation)).toEqual(refusal("x.yaml: not what the tar lists"));
  expect(await host.files()).toEqual(files);
});

test("keeps its lock where only root can open it", async () => {
  const host = await newHost();
  host.more = { LOCK_FILE: join(host.folder, "locks/secrets.lock") };
  expect((await host.send(rotation)).status).toBe(0);
  expect(statSync(join(host.folder, "locks")).mode & 0o777).toBe(0o700);
  expect(statSync(join(host.folder, "locks/secrets.lock")).mode & 0o777).toBe(0o600);
});

test("refuses where another run does not end, and leaves that one's files alone", async () => {
  const host = await newHost();
  await host.plant("hosts/.web-1.new/tar", "of the other run");
  const files = await host.files();
  const lock = await execa("sh", ["-c", "command -v flock"]);
  // Half a second for its 30, so that the test ends.
  host.program("flock", `shift 2; exec ${lock.stdout} --wait 0.5 "$@"`);
  await host.plant("locks/lock", "");
  const other = execa(lock.stdout, [join(host.folder, "locks/lock"), "cat"]);
  other.stdin.write("taken\n");
  await other.iterable().next();
  expect(await host.send(rotation)).toEqual(refusal("another run is in progress; waited 30 s for it"));
  expect(await host.files()).toEqual(files);
  other.stdin.end();
});

test.each([
  [1, 1, "nothing changed"],
  [2, 2, "the files are installed"],
  [3, 2, "the files and the new identity are installed"],
])("where writing to the disk fails the %s. time: ends with %s and says how far it came", async (n, status, state) => {
  const host = await newHost();
  const at = `${host.folder}/synced`;
  host.program("sync", `echo >>"${at}"; [ "$(grep -c "" "${at}")" -ne ${n} ]`);
  const { status: ended, stderr } = await host.send(rotation);
  expect([ended, stderr]).toEqual([
    status,
    expect.stringMatching(new RegExp(`: line \\d+ failed \\(sync\\); ${state}\n$`)),
  ]);
  host.program("sync", "exit 0");
  expect(await host.send(rotation)).toMatchObject({ status: 0, stderr: "" });
});

test("has each step on the disk before the next one is taken", async () => {
  const host = await newHost();
  for (const name of ["sync", "mv"]) {
    const own = await execa("sh", ["-c", `command -v ${name}`], { env: host.env, extendEnv: false });
    host.program(`noting/${name}`, `echo ${name} "$@" >>"${host.folder}/units.log"; exec ${own.stdout} "$@"`);
  }
  host.more = { PATH: `${host.bin}/noting:${host.env["PATH"]}` };
  expect(await host.send(rotation)).toMatchObject({ status: 0 });
  const { folder } = host;
  expect((await host.units()).map((line) => line.replaceAll(`${folder}/`, "").replace(/ -.* -- /, " "))).toEqual([
    "mv -- hosts/.web-1.new/files/identity.age hosts/.web-1.new/identity.age",
    "sync",
    "mv hosts/.web-1.new/files hosts/web-1",
    "mv hosts/.web-1.new/files hosts/.web-1.previous",
    "sync",
    "mv sops-nix/key.txt.new sops-nix/key.txt",
    "sync",
    "restart sops-install-secrets.service",
    "try-restart clawdlets-secrets.target",
  ]);
});

const programs = ["age", "age-keygen", "chmod", "env", "flock", "grep", "head", "mkdir", "mv", "paste", "rm", "sed"];
programs.push("sha256sum", "sops", "sort", "stat", "sync", "systemctl", "tail", "tar", "timeout", "tr", "wc");

/** Has the n-th program that a run starts kill the run instead of doing anything. */
async function killAt(host: ScriptHost, n: number): Promise<void> {
  const found = await execa("sh", ["-c", `for name in ${programs.join(" ")}; do command -v $name; done`], {
    env: host.env,
    extendEnv: false,
  });
  for (const path of found.stdout.split("\n")) {
    const name = path.split("/").at(-1) ?? "";
    host.program(
      `killing/${name}`,
      // Each takes the next number that is free, so that those of a pipeline count one by one.
      `set -C; i=1
      while ! true >"${host.folder}/count.$i"; do i=$((i + 1)); done 2>/dev/null
      if [ "$i" -eq ${n} ]; then kill -9 "$(cat "${host.folder}/pid")"; exit 137; fi
      exec ${path} "$@"`,
    );
  }
  host.more = { PATH: `${host.bin}/killing:${host.env["PATH"]}` };
}

async function killedAt(n: number) {
  const host = await newHost();
  await killAt(host, n);
  const options = { env: host.env, extendEnv: false, input: rotation, reject: false } as const;
  const run = await execa(
    "sh",
    ["-c", 'echo $$ >"$1"; exec bash "$2"', "sh", join(host.folder, "pid"), script],
    options,
  );
  host.more = {};
  return { host, isKilled: run.signal === "SIGKILL", stdout: run.stdout };
}

test("killed at any point, the key file opens every file, and the next run completes", {
  timeout: 300_000,
}, async () => {
  const told = new Set<string>();
  for (let n = 1; ; n += 1) {
    const { host, isKilled, stdout } = await killedAt(n);
    if (!isKilled) {
      expect(JSON.parse(stdout)).toMatchObject({ ok: true, changed: true });
      expect(n).toBeGreaterThan(30);
      break;
    }
    const files = Object.keys(await host.files()).filter((path) => path.startsWith("hosts/web-1/"));
    const state = `${files.join()} ${(await host.keyText()) === next.text ? "next" : "present"}`;
    told.add(state);
    expect(files, `killed at ${n}`).toHaveLength(1);
    for (const file of files) {
      expect(await isOpenedBy(host.keyFile, join(host.folder, file)), `killed at ${n}: ${state}`).toBe(true);
    }
    const again = await host.send(rotation);
    expect(again, `after a kill at ${n}`).toMatchObject({ status: 0, stderr: "" });
    expect(await host.keyText()).toBe(next.text);
    expect((await host.units()).slice(-2)).toEqual([
      "restart sops-install-secrets.service",
      "try-restart clawdlets-secrets.target",
    ]);
    const names = Object.keys(await host.files()).filter((path) => !/previous/.test(path));
    expect(names).toEqual(["hosts/web-1", "hosts/web-1/beta.yaml", "sops-nix/key.txt"]);
  }
  // All three states between the steps were met.
  expect([...told].sort()).toEqual([
    "hosts/web-1/alpha.yaml present",
    "hosts/web-1/beta.yaml next",
    "hosts/web-1/beta.yaml present",
  ]);
});
