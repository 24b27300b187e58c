import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { writePrivateFile } from "../../core/base/machine/private-files.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { stateFileOf } from "../../core/project/state/state.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { ensureGoodState } from "../../engine/recovery/good-state.ts";
import { CrashLab } from "../crash/_lab.ts";

/** The files of the engine's backend as a kill or a power cut leaves them, at every write of a real `pulumi up`. */
let lab: CrashLab;
let file: string;
/** What the engine wrote, one text a write, in order. */
let writes: string[];
let environment: Record<string, string>;
const engine = findEngine(process.cwd());

beforeAll(async () => {
  lab = await CrashLab.open();
  const { layout, host } = lab.demo;
  if (!engine) throw new Error("no engine: run scripts/setup.sh");
  environment = engineEnvironment(layout, engine);
  file = stateFileOf(layout, host);
  const created = readFileSync(file, "utf8");
  const { exitCode, all } = await pulumi(["up", "--yes", "--skip-preview"], {
    PULUMI_DIY_BACKEND_RETAIN_CHECKPOINTS: "true",
  });
  expect(exitCode, all).toBe(0);
  const kept = readdirSync(dirname(file)).filter((name) => /\.json\.\d+$/.test(name));
  writes = [created, ...kept.sort().map((name) => readFileSync(join(dirname(file), name), "utf8"))];
  for (const name of kept) rmSync(join(dirname(file), name));
  expect(writes.length).toBeGreaterThan(10);
  expect(readFileSync(file, "utf8")).toBe(writes.at(-1));
}, 180_000);
afterAll(() => lab?.close());

beforeEach(() => {
  const { stateCopy, stateBroken } = hostLayoutOf(lab.demo.layout, lab.demo.host);
  for (const each of [stateCopy, stateBroken]) rmSync(each, { force: true });
  writeFileSync(file, writes.at(-1) ?? "");
  writeFileSync(`${file}.bak`, writes.at(-2) ?? "");
});

const pulumi = (args: string[], env: Record<string, string> = {}) =>
  execa(engine?.pulumi ?? "pulumi", [...args, "--non-interactive", "--stack", lab.demo.host], {
    cwd: lab.demo.layout.root,
    env: { ...environment, ...env },
    reject: false,
    all: true,
  });

const backups = () => join(lab.demo.layout.state, ".pulumi/backups/clawdlets", lab.demo.host);

async function repair(): Promise<{ isRestored: boolean; said: string }> {
  const said: string[] = [];
  const isRestored = await ensureGoodState(lab.demo.layout, lab.demo.host, (text) => void said.push(text));
  return { isRestored, said: said.join("\n") };
}

/** What is left of a file whose write was cut off. */
const damages: Record<string, (text: string) => string> = {
  empty: () => "",
  "one byte": (text) => text.slice(0, 1),
  half: (text) => text.slice(0, text.length / 2),
  "all but the end": (text) => text.slice(0, -3),
  zeros: (text) => "\0".repeat(text.length),
  "zeros at the end": (text) => text.slice(0, 512) + "\0".repeat(512),
  "another file's end": () => "{}",
};

describe("a state whose write was cut off", () => {
  it("is restored from the write before, at every write and however it was cut off", async () => {
    const { stateCopy, stateBroken } = hostLayoutOf(lab.demo.layout, lab.demo.host);
    // The engine's own backups are of whole runs, and this one is over.
    rmSync(backups(), { recursive: true, force: true });
    for (const [index, text] of writes.entries()) {
      const before = writes[index - 1];
      if (before === undefined) continue;
      for (const [name, damage] of Object.entries(damages)) {
        writeFileSync(`${file}.bak`, before);
        writeFileSync(file, damage(text));
        rmSync(stateCopy, { force: true });
        expect((await repair()).isRestored, `write ${index}, ${name}`).toBe(true);
        expect(readFileSync(file, "utf8")).toBe(before);
        expect(readFileSync(stateCopy, "utf8")).toBe(before);
        expect(readFileSync(stateBroken, "utf8")).toBe(damage(text));
        for (const each of [file, stateCopy, stateBroken]) expect(statSync(each).mode & 0o777).toBe(0o600);
      }
    }
  }, 60_000);

  it("can be read by the engine again, after every write", async () => {
    const names = Object.values(damages);
    for (const [index, text] of writes.entries()) {
      if (index === 0) continue;
      writeFileSync(`${file}.bak`, writes[index - 1] ?? "");
      writeFileSync(file, names[index % names.length]?.(text) ?? "");
      await repair();
      const { exitCode, all } = await pulumi(["stack", "export"]);
      expect(exitCode, all).toBe(0);
    }
  }, 120_000);

  it("is restored from the newest good copy where the .bak was cut off as well", async () => {
    const { stateCopy } = hostLayoutOf(lab.demo.layout, lab.demo.host);
    await writePrivateFile(stateCopy, writes[5] ?? "");
    truncateSync(file);
    truncateSync(`${file}.bak`);
    expect((await repair()).isRestored).toBe(true);
    expect(readFileSync(file, "utf8")).toBe(writes[5]);
    // As the engine keeps them at the end of each run.
    await writePrivateFile(join(backups(), `${lab.demo.host}.1.json`), writes[4] ?? "");
    await writePrivateFile(join(backups(), `${lab.demo.host}.2.json`), writes[9] ?? "");
    await writePrivateFile(join(backups(), `${lab.demo.host}.3.json`), "");
    truncateSync(file);
    await repair();
    expect(readFileSync(file, "utf8")).toBe(writes[9]);
  });

  it("is left alone while an engine is at work on the stack", async () => {
    const lock = join(lab.demo.layout.state, ".pulumi/locks/organization/clawdlets", lab.demo.host, "held.json");
    try {
      const holder = { pid: process.pid, username: "u", hostname: `not-${hostname()}`, timestamp: "now" };
      await writePrivateFile(lock, JSON.stringify(holder));
      truncateSync(file);
      await expect(repair()).rejects.toMatchObject({ exitCode: 5 });
      expect(readFileSync(file, "utf8")).toBe("");
    } finally {
      rmSync(lock);
    }
  });
});

describe("what lies beside a state", () => {
  const beside = [".json.attrs", ".json.bak.attrs", "../../meta.yaml.attrs", "../../meta.yaml"];

  it.each(beside.flatMap((name) => ["empty", "half", "zeros"].map((how) => [name, how] as const)))(
    "%s does not keep the engine from the stack when it is cut off: %s",
    async (name, how) => {
      const path = join(dirname(file), name.startsWith(".json") ? `${lab.demo.host}${name}` : name);
      const saved = `${path}.saved`;
      copyFileSync(path, saved);
      try {
        writeFileSync(path, damages[how]?.(readFileSync(path, "utf8")) ?? "");
        const { isRestored } = await repair();
        expect(isRestored).toBe(false);
        expect(readFileSync(file, "utf8")).toBe(writes.at(-1));
        const { exitCode, all } = await pulumi(["stack", "export"]);
        expect(exitCode, all).toBe(0);
      } finally {
        copyFileSync(saved, path);
        rmSync(saved);
      }
    },
  );

  it("is what the engine means by EOF: an empty .attrs, beside a state that is whole", async () => {
    const saved = readFileSync(`${file}.attrs`);
    truncateSync(`${file}.attrs`);
    expect((await pulumi(["stack", "export"])).all).toContain("failed to load checkpoint: EOF");
    expect((await lab.run(["preview"])).all).toMatch(/: the engine's state is truncated.*clawdlets up --host/);
    expect((await lab.run(["env"])).all).toMatch(/: the engine's state is truncated.*clawdlets up --host/);
    await repair();
    writeFileSync(`${file}.attrs`, saved);
  });
});

describe("clawdlets up after the state was cut off", () => {
  const server = async () => (await lab.demo.report()).servers.find(({ name }) => name === lab.demo.host);

  async function upLeavesTheHostAlone(): Promise<string> {
    const before = await server();
    const { exitCode, all } = await lab.run(["up"]);
    expect(exitCode, all).toBe(0);
    expect(await server()).toMatchObject({ id: before?.id, bootId: before?.bootId, installRuns: 1, diskWipes: 1 });
    for (const kind of ["servers", "firewalls", "ssh_keys"]) {
      expect((await lab.api("GET", `/${kind}`))[kind], kind).toHaveLength(1);
    }
    expect((await lab.run(["preview"])).all).toContain("nothing would change");
    return all ?? "";
  }

  it("takes over what was made since the copy that is left, whichever it is", async () => {
    const made = (text: string) => (text.match(/"id":/g) ?? []).length;
    // One of each amount of resources that a copy can know of.
    const copies = [...new Map(writes.map((text) => [made(text), text])).values()];
    expect(copies.length).toBeGreaterThan(3);
    for (const copy of copies.filter((_, index) => index % 3 === 0)) {
      rmSync(backups(), { recursive: true, force: true });
      rmSync(hostLayoutOf(lab.demo.layout, lab.demo.host).stateCopy, { force: true });
      writeFileSync(`${file}.bak`, copy);
      truncateSync(file);
      expect(await upLeavesTheHostAlone()).toContain("was truncated by a killed run, and has been restored from");
    }
  }, 300_000);

  it("takes over everything where no copy is left", async () => {
    rmSync(backups(), { recursive: true, force: true });
    for (const each of [file, `${file}.bak`]) truncateSync(each);
    expect(await upLeavesTheHostAlone()).toContain("there is no good copy of it");
  }, 120_000);
});
