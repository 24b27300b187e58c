import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { keepCopy, lostFiles, warnOfCopies } from "../../../core/project/copies/keep.ts";
import { findPlace } from "../../../core/project/copies/place.ts";
import { listVersions } from "../../../core/project/copies/versions.ts";
import { type Layout, layoutOf } from "../../../core/project/layout.ts";
import { asOnlyWriter } from "../../../core/project/project-lock.ts";
import { forgetLost, planRestore, restoreFiles } from "../../../core/tasks/secrets/restore.ts";
import { project, temporaryFolder, token } from "../../_project.ts";

const gitIn = (cwd: string, ...args: string[]) =>
  execa("git", ["-c", "user.name=t", "-c", "user.email=t@t.invalid", ...args], { cwd });

/** A project in git with keys, and the state folder of its user. */
function withKeys(): Layout {
  const layout = project();
  const write = (path: string, text: string, mode = 0o600) => {
    mkdirSync(dirname(join(layout.dir, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(layout.dir, path), text, { mode });
  };
  write("passphrase", "pass\n");
  write("known_hosts", "web-1 ssh-ed25519 AAAA\n", 0o644);
  write("secrets/hosts/web-1.agekey", "AGE-SECRET-KEY-1\n");
  write("secrets/hosts/web-1/a.yaml", "a: ENC[x]\n");
  write("secrets/binary", "\0\u00ff\r\n");
  write("hosts/web-1/ssh/ssh_host_ed25519_key", "key\n");
  write("hosts/web-1/install.json", "{}\n");
  write("hosts/web-1/logs/up.log", "log\n");
  write("hosts/web-1/state.json", "{}\n");
  write("state/.pulumi/stacks/clawdlets/web-1.json", "{}\n");
  return layout;
}

let state: string;
let said: string[];
beforeEach(() => {
  state = join(temporaryFolder(), "state");
  vi.stubEnv("XDG_STATE_HOME", state);
  said = [];
  warnOfCopies((text) => void said.push(text));
  return () => vi.unstubAllEnvs();
});

const pathOf = (layout: Layout, path: string) => join(layout.dir, path);
const versionsOf = (layout: Layout) => {
  const place = findPlace(layout, process.env);
  return place ? listVersions(place) : [];
};
const newest = (layout: Layout) => versionsOf(layout)[0];

/** Everything below a folder, by path: kind, mode, owner. */
async function modesBelow(folder: string): Promise<string[]> {
  const { stdout } = await execa("find", [folder, "-printf", "%y %m %U\n"]);
  return [...new Set(stdout.split("\n"))].sort();
}

describe("the copy", () => {
  it("has keys, tokens, secrets and journals, and neither state nor logs, for its owner alone", async () => {
    const layout = withKeys();
    keepCopy(layout);
    expect(Object.keys(newest(layout)?.files ?? {})).toEqual([
      ".env",
      "hosts/web-1/install.json",
      "hosts/web-1/ssh/ssh_host_ed25519_key",
      "known_hosts",
      "passphrase",
      "secrets/binary",
      "secrets/hosts/web-1.agekey",
      "secrets/hosts/web-1/a.yaml",
      "stack.json",
    ]);
    const uid = process.getuid?.();
    expect(await modesBelow(state)).toEqual([`d 700 ${uid}`, `f 600 ${uid}`]);
    expect(said).toEqual([]);
  });

  it.each([
    ["hosts/web-1/tailnet-left.json", true],
    ["gone/web-1/host/tailnet-left.json", true],
    ["hosts/web-1/image/client", true],
    ["hosts/web-1/kexec/kexec.tar.gz", true],
    ["hosts/image/ssh/ssh_host_ed25519_key", false],
    ["gone/web-1/host/install.json", false],
    ["gone/web-1/identity.agekey", false],
  ])("without %s, which is deleted after use, misses nothing: %s", (path, is) => {
    const layout = withKeys();
    mkdirSync(dirname(pathOf(layout, path)), { recursive: true, mode: 0o700 });
    writeFileSync(pathOf(layout, path), "x\n", { mode: 0o600 });
    keepCopy(layout);
    rmSync(pathOf(layout, path));
    keepCopy(layout);
    expect(lostFiles(layout)).toEqual(is ? [] : [path]);
  });

  it("is not made again where nothing changed", () => {
    const layout = withKeys();
    keepCopy(layout);
    keepCopy(layout);
    expect(versionsOf(layout)).toHaveLength(1);
    writeFileSync(pathOf(layout, "passphrase"), "other\n");
    keepCopy(layout);
    expect(versionsOf(layout).map(({ number }) => number)).toEqual([2, 1]);
  });

  it("keeps what is gone however often it is refreshed, and lets go of what a command of ours removed", async () => {
    const layout = withKeys();
    keepCopy(layout);
    rmSync(pathOf(layout, "passphrase"));
    for (let round = 0; round < 30; round++) {
      writeFileSync(pathOf(layout, "known_hosts"), `${round}\n`);
      keepCopy(layout);
    }
    expect(lostFiles(layout)).toEqual(["passphrase"]);
    expect(newest(layout)?.missing).toEqual(["passphrase"]);
    await asOnlyWriter(layout, async () => rmSync(pathOf(layout, "hosts/web-1/install.json")));
    expect(lostFiles(layout)).toEqual(["passphrase"]);
    expect(Object.keys(newest(layout)?.files ?? {})).not.toContain("hosts/web-1/install.json");
    await restoreFiles({ layout }, false);
    expect(readFileSync(pathOf(layout, "passphrase"), "utf8")).toBe("pass\n");
    expect(existsSync(pathOf(layout, "hosts/web-1/install.json"))).toBe(false);
  });

  it("keeps the last three contents of a file, though others change all the time", () => {
    const layout = withKeys();
    for (const passphrase of ["one", "two", "three"]) {
      writeFileSync(pathOf(layout, "passphrase"), passphrase);
      keepCopy(layout);
    }
    for (let round = 0; round < 30; round++) {
      writeFileSync(pathOf(layout, "hosts/web-1/windows.jsonl"), `${round}\n`);
      keepCopy(layout);
    }
    expect(versionsOf(layout).length).toBeLessThan(20);
    for (const passphrase of ["one", "two", "three"]) {
      const from = versionsOf(layout).find(({ number }) => {
        const plan = planRestore({ layout, from: number, paths: ["passphrase"] });
        return passphrase === "three" ? plan.same === 1 : plan.different.length === 1;
      });
      expect(from, passphrase).toBeDefined();
    }
  });

  it("is whole for anyone who reads it while others write it, and loses no writer's files", async () => {
    const layout = withKeys();
    await Promise.all(
      ["a", "b", "c", "d"].map((name) =>
        asOnlyWriter(layout, async () => writeFileSync(pathOf(layout, `secrets/${name}`), name, { mode: 0o600 })),
      ),
    );
    expect(Object.keys(newest(layout)?.files ?? {})).toEqual(
      expect.arrayContaining(["secrets/a", "secrets/b", "secrets/c", "secrets/d"]),
    );
  });

  it("is never made of a folder that may be someone else's, nor while git changes the work tree", async () => {
    const layout = withKeys();
    await gitIn(layout.root, "init", "--quiet");
    await gitIn(layout.root, "add", "--force", ".clawdlets/.env");
    keepCopy(layout);
    expect(existsSync(state)).toBe(false);
    await gitIn(layout.root, "rm", "--quiet", "--cached", ".clawdlets/.env");
    writeFileSync(join(layout.root, ".git", "index.lock"), "");
    keepCopy(layout);
    expect(existsSync(state)).toBe(false);
    rmSync(join(layout.root, ".git", "index.lock"));
    keepCopy(layout);
    expect(newest(layout)?.number).toBe(1);
  });

  it("follows no link, and leaves out what is too large for a key", () => {
    const layout = withKeys();
    symlinkSync("/etc/passwd", pathOf(layout, "secrets/link"));
    writeFileSync(pathOf(layout, "core"), Buffer.alloc(1024 * 1024 + 1), { mode: 0o600 });
    keepCopy(layout);
    const paths = Object.keys(newest(layout)?.files ?? {});
    expect(paths).toContain("passphrase");
    expect(paths).not.toContain("secrets/link");
    expect(paths).not.toContain("core");
  });

  it.each([
    ["the environment", (_: Layout) => vi.stubEnv("CLAWDLETS_KEY_COPY", "off")],
    [".env", (layout: Layout) => writeFileSync(pathOf(layout, ".env"), "CLAWDLETS_KEY_COPY=off\n")],
  ])("is not made where %s says off", (_, off) => {
    const layout = withKeys();
    off(layout);
    keepCopy(layout);
    expect([existsSync(state), said]).toEqual([false, []]);
  });

  it("cannot be committed where the home is a repository", async () => {
    const layout = withKeys();
    const home = dirname(state);
    await gitIn(home, "init", "--quiet");
    keepCopy(layout);
    expect((await gitIn(home, "status", "--porcelain", "--untracked-files=all")).stdout).toBe("");
  });
});

describe("the copy is found", () => {
  const lose = (layout: Layout) => rmSync(layout.dir, { recursive: true });

  it("by its path, where all of .clawdlets is gone", async () => {
    const layout = withKeys();
    keepCopy(layout);
    lose(layout);
    expect((await restoreFiles({ layout }, false)).missing).toContain(".clawdlets/.env");
    expect(lstatSync(layout.dir).mode & 0o777).toBe(0o700);
    keepCopy(layout);
    expect(newest(layout)?.missing).toEqual([]);
  });

  it("after the project was moved, also when it is lost then", async () => {
    const layout = withKeys();
    keepCopy(layout);
    const moved = layoutOf(join(temporaryFolder(), "moved"));
    renameSync(layout.root, moved.root);
    keepCopy(moved);
    expect(versionsOf(moved)).toHaveLength(1);
    lose(moved);
    expect((await restoreFiles({ layout: moved }, false)).missing).toContain(".clawdlets/passphrase");
  });

  it("and is its own, where the folder was copied", () => {
    const layout = withKeys();
    keepCopy(layout);
    const second = layoutOf(join(temporaryFolder(), "second"));
    cpSync(layout.root, second.root, { recursive: true });
    writeFileSync(pathOf(second, "passphrase"), "second\n");
    keepCopy(second);
    expect(findPlace(second, process.env)?.id).not.toBe(findPlace(layout, process.env)?.id);
    rmSync(pathOf(layout, "passphrase"));
    expect(planRestore({ layout }).missing).toEqual([".clawdlets/passphrase"]);
    expect(planRestore({ layout: second }).missing).toEqual([]);
  });

  it("by no project that another one is", () => {
    const layout = withKeys();
    keepCopy(layout);
    const other = project();
    expect(() => planRestore({ layout: other })).toThrow(/There is no copy of \.clawdlets of .* in/);
    keepCopy(other);
    expect(findPlace(other, process.env)?.id).not.toBe(findPlace(layout, process.env)?.id);
  });
});

const both = (value: string | undefined) => {
  vi.stubEnv("XDG_STATE_HOME", value);
  vi.stubEnv("HOME", value);
};

describe("a copy that cannot be made", () => {
  const cases: [what: string, spoil: () => void, reason: RegExp][] = [
    ["where there is no home", () => both(undefined), /neither XDG_STATE_HOME nor HOME/],
    ["where the home is a relative path", () => both("state"), /neither XDG_STATE_HOME nor HOME/],
    ["where a file stands in the way", () => writeFileSync(state, ""), /there is a file where a folder is needed/],
    [
      "in a folder that others may write to",
      () => {
        mkdirSync(join(state, "clawdlets"), { recursive: true });
        chmodSync(join(state, "clawdlets"), 0o777);
      },
      /is writable by others/,
    ],
    [
      "reached through a link",
      () => {
        mkdirSync(state);
        symlinkSync(temporaryFolder(), join(state, "clawdlets"));
      },
      /is not a folder/,
    ],
    ["in /proc", () => vi.stubEnv("XDG_STATE_HOME", "/proc/clawdlets-none"), /ENOENT|EACCES|EROFS|Cannot/],
  ];
  it.each(cases)("%s is a warning, and the work is done", async (_, spoil, reason) => {
    const layout = withKeys();
    spoil();
    expect(await asOnlyWriter(layout, async () => "done")).toBe("done");
    expect(said).toEqual([expect.stringMatching(reason)]);
    expect(said[0]).toMatch(/^warning: no copy of \.clawdlets was kept: .*CLAWDLETS_KEY_COPY=off$/);
  });

  it("leaves the last good version, and the error of the work itself", async () => {
    const layout = withKeys();
    keepCopy(layout);
    const place = findPlace(layout, process.env);
    rmSync(place?.contents ?? "", { recursive: true });
    writeFileSync(place?.contents ?? "", "");
    writeFileSync(pathOf(layout, "passphrase"), "newer\n");
    const work = asOnlyWriter(layout, () => Promise.reject(new Error("of the work")));
    await expect(work).rejects.toThrow("of the work");
    expect(versionsOf(layout)).toHaveLength(1);
    expect(said).toHaveLength(1);
  });
});

describe("restoring", () => {
  it("overwrites no file that differs unless it is told to, and then keeps its contents", async () => {
    const layout = withKeys();
    keepCopy(layout);
    rmSync(pathOf(layout, "known_hosts"));
    writeFileSync(pathOf(layout, ".env"), `HCLOUD_TOKEN=${"b".repeat(64)}\n`);
    const before = planRestore({ layout });
    expect([before.missing, before.different]).toEqual([[".clawdlets/known_hosts"], [".clawdlets/.env"]]);
    await expect(restoreFiles({ layout }, false)).rejects.toThrow(/\.clawdlets\/\.env: content: differs from the copy/);
    expect(existsSync(pathOf(layout, "known_hosts"))).toBe(false);
    await restoreFiles({ layout, paths: [".clawdlets/known_hosts"] }, false);
    expect(lstatSync(pathOf(layout, "known_hosts")).mode & 0o777).toBe(0o644);
    const [, ...earlier] = versionsOf(layout);
    await restoreFiles({ layout, from: earlier.at(-1)?.number ?? 0, paths: [".env"] }, true);
    expect(readFileSync(pathOf(layout, ".env"), "utf8")).toBe(`HCLOUD_TOKEN=${token}\n`);
    const kept = versionsOf(layout).find(
      ({ number }) => planRestore({ layout, from: number, paths: [".env"] }).different[0],
    );
    await restoreFiles({ layout, from: kept?.number ?? 0, paths: [".env"] }, true);
    expect(readFileSync(pathOf(layout, ".env"), "utf8")).toContain("b".repeat(64));
  });

  it("overwrites nothing whose contents could not be kept first", async () => {
    const layout = withKeys();
    keepCopy(layout);
    writeFileSync(pathOf(layout, ".env"), "HCLOUD_TOKEN=mine\n");
    vi.stubEnv("CLAWDLETS_KEY_COPY", "off");
    await expect(restoreFiles({ layout }, true)).rejects.toThrow(/\.env: the current contents could not be copied/);
    expect(readFileSync(pathOf(layout, ".env"), "utf8")).toBe("HCLOUD_TOKEN=mine\n");
  });

  it("names what is damaged in the copy, and puts back the rest", async () => {
    const layout = withKeys();
    keepCopy(layout);
    const place = findPlace(layout, process.env);
    const name = newest(layout)?.files["passphrase"]?.sha256 ?? "";
    writeFileSync(join(place?.contents ?? "", name), "tampered\n");
    rmSync(layout.dir, { recursive: true });
    const { damaged, missing } = await restoreFiles({ layout }, false);
    expect(damaged).toEqual([".clawdlets/passphrase"]);
    expect(missing).toHaveLength(8);
    expect(existsSync(layout.passphrase)).toBe(false);
  });

  it("writes through no link and over no folder", async () => {
    const layout = withKeys();
    keepCopy(layout);
    const outside = temporaryFolder();
    rmSync(layout.secrets, { recursive: true });
    symlinkSync(outside, layout.secrets);
    await expect(restoreFiles({ layout }, true)).rejects.toThrow(/\.clawdlets\/secrets: path: is in the way/);
    expect(existsSync(join(outside, "binary"))).toBe(false);
  });

  it("takes no path that leads out of the folder, whatever the copy says", () => {
    const layout = withKeys();
    keepCopy(layout);
    const place = findPlace(layout, process.env);
    const file = join(place?.versions ?? "", "000001.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"passphrase"', '"../passphrase"'));
    expect(() => planRestore({ layout })).toThrow(/There is no copy/);
  });

  it("forgets what was deleted on purpose, and still has it in earlier versions", async () => {
    const layout = withKeys();
    keepCopy(layout);
    rmSync(pathOf(layout, "secrets/binary"));
    expect(await forgetLost(layout)).toEqual([".clawdlets/secrets/binary"]);
    expect([lostFiles(layout), planRestore({ layout }).missing]).toEqual([[], []]);
    expect(planRestore({ layout, from: 1 }).missing).toEqual([".clawdlets/secrets/binary"]);
  });

  it.each([
    ["a version that is not there", { from: 7 }, /--from: there is no version 7; allowed: 1\./],
    ["a file that is not in it", { paths: ["nothing"] }, /nothing: not in version 1 of the copy/],
  ])("refuses %s", (_, asked, said) => {
    const layout = withKeys();
    keepCopy(layout);
    expect(() => planRestore({ layout, ...asked })).toThrow(said);
  });
});
