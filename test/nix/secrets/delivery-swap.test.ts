import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { swapOf } from "../../../core/host/delivery/swap.ts";
import { describeWith } from "../../_needs.ts";
import { fetchDebian13 } from "../bots/_cache.ts";

/**
 * What a delivery to a snapshot's server runs there, with real tar, rm, sync and mv, killed before each of them. mv is the one of Debian 13,
 * coreutils 9.7, which can exchange two folders, or one that cannot, as before 9.5.
 */
type Files = Readonly<Record<string, string>>;
const long = (letter: string) => letter.repeat(3000);
const earlier: Files = { "admin.yaml": long("a"), "removed.yaml": long("r"), "token.yaml": long("t") };
const wanted: Files = { "added.yaml": long("n"), "admin.yaml": long("A"), "token.yaml": long("T") };
const later: Files = { "admin.yaml": long("l") };
const nothing = undefined;

/** Lines of a program `mv`, by what it can do. */
let movers: Record<"exchanges" | "renames", string>;
const { stdout: ownMv } = await execa("sh", ["-c", "command -v mv"]);

/** A host's disk: the folder that is replaced, what is beside it, and programs that note each call and kill all at one of them. */
class Disk {
  readonly #root = mkdtempSync(join(tmpdir(), "clawdlets-swap-"));
  readonly #folder = join(this.#root, "hosts", "web-1");
  readonly #log = join(this.#root, "calls");

  constructor(mover: keyof typeof movers, before: Files | undefined) {
    onTestFinished(() => rmSync(this.#root, { recursive: true, force: true }));
    mkdirSync(join(this.#root, "bin"));
    mkdirSync(join(this.#root, "hosts"));
    if (before) this.#write(this.#folder, before);
    for (const name of ["mv", "rm", "sync", "tar"])
      this.#program(name, name === "mv" ? movers[mover] : `exec /bin/${name} "$@"`);
  }

  /** @param killedAt the call at which everything is killed, from 1: tar in the middle, the others before they begin */
  async deliver(files: Files, killedAt = 0): Promise<string[]> {
    const swap = swapOf(this.#folder);
    const source = join(this.#root, "source");
    const staged = swap.stagedPath(this.#folder).slice(1);
    this.#write(join(source, staged), files);
    // Only the folder itself, and not those above it, which are this machine's.
    const { stdout: packed } = await execa("tar", ["-C", source, "-cf", "-", staged], { encoding: "buffer" });
    rmSync(source, { recursive: true });
    writeFileSync(this.#log, "");
    const { exitCode, signal, stderr } = await execa("bash", ["--norc", "-c", swap.unpack], {
      env: { PATH: [join(this.#root, "bin"), process.env["PATH"]].join(delimiter), KILLED_AT: String(killedAt) },
      input: packed,
      detached: true, // A process group of its own, which is what is killed.
      reject: false,
    });
    if (killedAt === 0) expect(exitCode, stderr).toBe(0);
    else expect(signal, `killed at call ${killedAt}: ${stderr}`).toBe("SIGKILL");
    return readFileSync(this.#log, "utf8").replaceAll(join(this.#root, "hosts/"), "").trimEnd().split("\n");
  }

  /** @returns undefined without the folder */
  files(name = "web-1"): Files | undefined {
    const folder = join(this.#root, "hosts", name);
    if (!this.names().includes(name)) return undefined;
    return Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]));
  }

  names = () => readdirSync(join(this.#root, "hosts"));

  #write(folder: string, files: Files): void {
    mkdirSync(folder, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  }

  #program(name: string, lines: string): void {
    const half = name === "tar" ? `head -c 5000 | /bin/tar "$@" 2>/dev/null;` : "";
    const text = `#!/bin/sh
echo "${name}\${*:+ $*}" >>'${this.#log}'
if [ "$(wc -l <'${this.#log}')" -eq "$KILLED_AT" ]; then ${half} kill -KILL 0; fi
${lines}
`;
    writeFileSync(join(this.#root, "bin", name), text, { mode: 0o755 });
  }
}

const noted = {
  exchanges: ["mv --exchange --no-target-directory .web-1.new web-1"],
  renames: ["mv --exchange --no-target-directory .web-1.new web-1", "mv web-1 .web-1.previous", "mv .web-1.new web-1"],
} as const;

describeWith({ programs: ["debootstrap"], root: true }, "a folder of secrets that a delivery replaces", () => {
  beforeAll(async () => {
    const tree = await fetchDebian13();
    const library = join(tree, "usr/lib/x86_64-linux-gnu");
    const newMv = `${join(library, "ld-linux-x86-64.so.2")} --library-path ${library} ${join(tree, "usr/bin/mv")}`;
    const { stdout } = await execa("sh", ["-c", `${newMv} --version`]);
    expect(stdout).toMatch(/^mv \(GNU coreutils\) 9\.7\n/);
    const { stdout: help } = await execa(ownMv, ["--help"]);
    // Where this machine's own is newer than 9.4, it refuses the option as an older one does.
    const older = `case " $* " in *" --exchange "*) echo "mv: unrecognized option '--exchange'" >&2; exit 1 ;; esac\n`;
    movers = {
      exchanges: `exec ${newMv} "$@"`,
      renames: `${help.includes("--exchange") ? older : ""}exec ${ownMv} "$@"`,
    };
  }, 1_200_000);

  it.each(["exchanges", "renames"] as const)(
    "is written to the disk before it is in force, by an mv that %s",
    async (mover) => {
      const disk = new Disk(mover, earlier);
      const calls = await disk.deliver(wanted);
      expect(calls.map((call) => (call.startsWith("tar ") ? "tar" : call))).toEqual([
        "rm -rf .web-1.new .web-1.previous",
        "tar",
        "sync",
        ...noted[mover],
        "rm -rf .web-1.new .web-1.previous",
        "sync",
      ]);
      expect([disk.files(), disk.names()]).toEqual([wanted, ["web-1"]]);
    },
  );

  it.each<[keyof typeof movers, string, Files | undefined]>([
    ["exchanges", "an earlier set", earlier],
    ["exchanges", "no set", nothing],
    ["renames", "an earlier set", earlier],
    ["renames", "no set", nothing],
  ])(
    "is the earlier or the new one wherever a run is killed, and then what the next one sends: an mv that %s, over %s",
    async (mover, _, before) => {
      const count = (await new Disk(mover, before).deliver(wanted)).length;
      const seen: string[] = [];
      for (let killedAt = 1; killedAt <= count; killedAt += 1) {
        const disk = new Disk(mover, before);
        const calls = await disk.deliver(wanted, killedAt);
        const at = `killed at ${calls.at(-1)}`;
        const found = disk.files();
        const isNew = JSON.stringify(found) === JSON.stringify(wanted);
        // Between two renames it is beside, and the next run moves it back.
        const isBetween = before !== undefined && found === undefined;
        if (isBetween) expect([mover, disk.files(".web-1.previous")], at).toEqual(["renames", before]);
        else if (!isNew) expect(found, at).toEqual(before);
        seen.push(isNew ? "new" : isBetween ? "beside" : "earlier");
        await disk.deliver(later);
        expect([disk.files(), disk.names()], at).toEqual([later, ["web-1"]]);
      }
      // Never back to the earlier one, and both sides of the exchange were tried.
      expect(seen.join(" ")).toMatch(
        before && mover === "renames" ? /^(earlier )+beside (new ?)+$/ : /^(earlier )+(new ?)+$/,
      );
    },
    120_000,
  );

  it("that was cut off between two renames is moved back before anything else is removed", async () => {
    const disk = new Disk("renames", earlier);
    const calls = await disk.deliver(wanted);
    await disk.deliver(earlier);
    await disk.deliver(wanted, calls.indexOf("mv .web-1.new web-1") + 1);
    expect(disk.names().sort()).toEqual([".web-1.new", ".web-1.previous"]);
    // Killed again, as soon as the first removal begins.
    expect(await disk.deliver(later, 2)).toEqual(["mv .web-1.previous web-1", "rm -rf .web-1.new .web-1.previous"]);
    expect(disk.files()).toEqual(earlier);
  });
});
