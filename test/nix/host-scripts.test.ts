import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { path, whereIs } from "../_debian.ts";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

/** nix/host/swap.sh in a folder of its own, with real mkswap, fallocate and df. swapon and swapoff, which are root's, only note. */
class SwapHost {
  readonly folder = temporaryFolder();
  readonly file = join(this.folder, "disk/swapfile");

  constructor() {
    mkdirSync(dirname(this.file));
    const shows = `#!/bin/sh\ncase "$*" in --show*) cat '${this.folder}/on'; exit ;; esac\n`;
    this.#program("swapon", `${shows}echo "swapon $*" >>'${this.folder}/log'; echo "$1" >'${this.folder}/on'`);
    this.#program("swapoff", `#!/bin/sh\necho "swapoff $*" >>'${this.folder}/log'; : >'${this.folder}/on'`);
    writeFileSync(join(this.folder, "on"), "");
    this.disk(40_000, 30_000);
  }

  disk(size: number, free: number): void {
    this.#program("df", `#!/bin/sh\necho ' 1M-blocks Avail'; echo ' ${size} ${free}'`);
  }

  /** @returns what it said, and the MiB of the file; undefined where there is none */
  async run(memoryMib: number, sizeMib?: number) {
    writeFileSync(join(this.folder, "meminfo"), `MemTotal:       ${memoryMib * 1024} kB\nMemFree: 1 kB\n`);
    const env = {
      PATH: [join(this.folder, "bin"), path].join(delimiter),
      SWAP_FILE: this.file,
      MEMINFO: join(this.folder, "meminfo"),
      ...(sizeMib === undefined ? {} : { SIZE_MIB: String(sizeMib) }),
    };
    const script = join(repository, "nix/host/swap.sh");
    const { exitCode, stderr } = await execa("bash", [script], { env, extendEnv: false, reject: false });
    const mib = existsSync(this.file) ? statSync(this.file).size / 1024 / 1024 : undefined;
    return { exitCode, stderr, mib };
  }

  get log(): string[] {
    const file = join(this.folder, "log");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  }

  #program(name: string, text: string): void {
    mkdirSync(join(this.folder, "bin"), { recursive: true });
    writeFileSync(join(this.folder, "bin", name), text, { mode: 0o755 });
  }
}

describeWith({ programs: ["mkswap", "fallocate"] }, "the unit for the swap file", () => {
  it.each([
    ["as much as the memory", 128, undefined, 40_000, 30_000, 128],
    ["a tenth of a small disk", 8192, undefined, 4000, 3000, 400],
    ["the size that is set", 8192, 96, 4000, 3000, 96],
    ["what there is room for", 8192, 300, 4000, 200, 150],
  ])("makes %s", async (_, memory, size, disk, free, expected) => {
    const host = new SwapHost();
    host.disk(disk, free);
    expect(await host.run(memory, size)).toEqual({ exitCode: 0, stderr: "", mib: expected });
    expect(statSync(host.file).mode & 0o777).toBe(0o600);
    expect(readFileSync(host.file).subarray(4086, 4096).toString()).toBe("SWAPSPACE2");
    expect(host.log).toEqual([`swapon ${host.file}`]);
  });

  it("leaves what is there alone, and makes another one for another size", async () => {
    const host = new SwapHost();
    await host.run(128);
    await host.run(128);
    expect(host.log).toEqual([`swapon ${host.file}`]);
    expect(await host.run(128, 80)).toMatchObject({ exitCode: 0, mib: 80 });
    expect(host.log.slice(1)).toEqual([`swapoff ${host.file}`, `swapon ${host.file}`]);
  });

  it("makes none where the disk is nearly full, and says so", async () => {
    const host = new SwapHost();
    host.disk(40_000, 50);
    const { exitCode, stderr, mib } = await host.run(4096);
    expect({ exitCode, mib }).toEqual({ exitCode: 0, mib: undefined });
    expect(stderr).toBe("not enough disk space for swap: 50 MiB are free");
  });

  it("takes 16 GiB at most", async () => {
    const host = new SwapHost();
    host.disk(1_000_000, 900_000);
    const fallocate = `#!/bin/sh\necho "$2" >'${host.folder}/asked'; exec ${whereIs("fallocate")} --length 1MiB "$3"`;
    writeFileSync(join(host.folder, "bin/fallocate"), fallocate, { mode: 0o755 });
    await host.run(65_536);
    expect(readFileSync(join(host.folder, "asked"), "utf8").trim()).toBe("16384MiB");
  });
});
