import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import type { UserError } from "../../../../core/base/errors.ts";
import { type ExtraFile, extraFilesOf, stageExtraFiles } from "../../../../core/host/delivery/extra-files.ts";
import { checkDelivered } from "../../../../core/host/facts/verify.ts";
import { temporaryFolder } from "../../../_project.ts";

const delivery = {
  host: "web-1",
  installId: "0123456789abcdef",
  identityFileText: "AGE-SECRET-KEY-1\n",
  hostPrivateKey: "private\n",
  hostPublicKey: "ssh-ed25519 AAAA",
  remoteSecretsDir: "/var/lib/clawdlets/secrets/hosts/web-1",
  secrets: { admin_password_hash: "ciphertext" },
};
const files = extraFilesOf(delivery);

describe("the extra files", () => {
  it("have exact places and modes, whatever the umask", () => {
    const old = process.umask(0o077);
    const folder = join(temporaryFolder(), "staging");
    try {
      stageExtraFiles(folder, files);
    } finally {
      process.umask(old);
    }
    const mode = (path: string) => (statSync(join(folder, path)).mode & 0o777).toString(8);
    expect(Object.fromEntries(files.map(({ path }) => [path, mode(path)]))).toEqual({
      "/var/lib/sops-nix/key.txt": "400",
      "/var/lib/clawdlets/install-id": "444",
      "/etc/ssh/ssh_host_ed25519_key": "600",
      "/etc/ssh/ssh_host_ed25519_key.pub": "644",
      "/var/lib/clawdlets/secrets/hosts/web-1/admin_password_hash.yaml": "400",
    });
    expect(["/", "/etc", "/etc/ssh", "/var/lib", "/var/lib/sops-nix"].map(mode)).toEqual([
      "700",
      "755",
      "755",
      "755",
      "711",
    ]);
  });

  it("say its address to a host that has only IPv6", () => {
    const own = extraFilesOf({ ...delivery, ipv6Address: "2001:db8:1:2::1/64" });
    const added = own.filter(({ path }) => !files.some((file) => file.path === path));
    expect(added).toEqual([{ path: "/var/lib/clawdlets/ipv6-address", mode: 0o444, content: "2001:db8:1:2::1/64\n" }]);
  });

  it("replace what a killed run left, and are gone afterwards", () => {
    const folder = join(temporaryFolder(), "staging");
    mkdirSync(folder);
    writeFileSync(join(folder, "left"), "plaintext");
    const unstage = stageExtraFiles(folder, files);
    expect(readdirSync(folder).sort()).toEqual(["etc", "var"]);
    expect(readFileSync(join(folder, "var/lib/clawdlets/install-id"), "utf8")).toBe("0123456789abcdef\n");
    unstage();
    expect(existsSync(folder)).toBe(false);
  });

  it("leave nothing where they could not all be laid out", () => {
    const folder = join(temporaryFolder(), "staging");
    const broken = [...files, { path: "/var/lib/clawdlets/install-id/below", mode: 0o400, content: "x" }];
    expect(() => stageExtraFiles(folder, broken)).toThrow(/ENOTDIR|EEXIST/);
    expect(existsSync(folder)).toBe(false);
  });

  it("leave no listener behind", () => {
    const count = () => ["exit", "SIGINT", "SIGTERM", "SIGHUP"].map((name) => process.listenerCount(name));
    const before = count();
    stageExtraFiles(join(temporaryFolder(), "staging"), files)();
    expect(count()).toEqual(before);
  });
});

describe("a folder that is already there", () => {
  it.each(["dir", "file"] as const)("is refused when it is a link to a %s, which is left as it is", (kind) => {
    const root = temporaryFolder();
    const target = join(root, "target");
    if (kind === "dir") mkdirSync(target);
    writeFileSync(kind === "dir" ? join(target, "kept") : target, "kept");
    symlinkSync(target, join(root, "staging"));
    expect(() => stageExtraFiles(join(root, "staging"), files)).toThrow(/staging is a link.*rm -r '.*staging'/);
    expect(readFileSync(kind === "dir" ? join(target, "kept") : target, "utf8")).toBe("kept");
    expect(kind === "dir" ? readdirSync(target) : []).toEqual(kind === "dir" ? ["kept"] : []);
  });

  it("is refused when it is a link to nothing", () => {
    const root = temporaryFolder();
    symlinkSync(join(root, "target"), join(root, "staging"));
    expect(() => stageExtraFiles(join(root, "staging"), files)).toThrow(/staging is a link/);
    expect(existsSync(join(root, "target"))).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)("is refused when it belongs to someone else", () => {
    const folder = join(temporaryFolder(), "staging");
    mkdirSync(folder, { mode: 0o777 });
    chownSync(folder, 65534, 65534);
    expect(() => stageExtraFiles(folder, files)).toThrow(/staging belongs to user 65534/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("a process that is stopped while they are laid out", () => {
  const many = Array.from({ length: 1500 }, (_, index): ExtraFile => {
    return { path: `/srv/plain/${index}`, mode: 0o400, content: "plaintext" };
  });
  const source = pathToFileURL(join(process.cwd(), "core/host/delivery/extra-files.ts")).href;

  /** Stages `count` files and stays until it is stopped; `handler` is what the caller itself does at a signal. */
  function child(folder: string, count: number, handler = "") {
    const program = `
      import { stageExtraFiles } from ${JSON.stringify(source)};
      const files = Array.from({ length: ${count} }, (_, index) => (
        { path: "/srv/plain/" + index, mode: 0o400, content: "plaintext" }
      ));
      ${handler}
      stageExtraFiles(${JSON.stringify(folder)}, files);
      process.stdout.write("staged");
      setInterval(() => undefined, 1000);`;
    const args = ["--import", "tsx", "--input-type=module", "--eval", program];
    return execa(process.execPath, args, { reject: false, timeout: 20_000, killSignal: "SIGKILL" });
  }
  const firstFile = (folder: string) =>
    expect.poll(() => existsSync(join(folder, "srv/plain/0")), { interval: 1, timeout: 15_000 }).toBe(true);

  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("by %s leaves no plaintext, and dies of it", async (signal) => {
    const folder = join(temporaryFolder(), "staging");
    const run = child(folder, many.length);
    await firstFile(folder);
    run.kill(signal);
    expect((await run).signal).toBe(signal);
    expect(existsSync(folder)).toBe(false);
  });

  it("leaves no plaintext where its caller goes on after the signal", async () => {
    const folder = join(temporaryFolder(), "staging");
    const run = child(folder, 3, `process.on("SIGTERM", () => setTimeout(() => process.exit(9), 200));`);
    run.stdout.once("data", () => run.kill("SIGTERM"));
    expect((await run).exitCode).toBe(9);
    expect(existsSync(folder)).toBe(false);
  });

  it("leaves no plaintext when it ends on its own", async () => {
    const folder = join(temporaryFolder(), "staging");
    expect((await child(folder, 3, "setTimeout(() => process.exit(4), 500);")).exitCode).toBe(4);
    expect(existsSync(folder)).toBe(false);
  });

  it("by SIGKILL leaves some, which the next run takes away", async () => {
    const folder = join(temporaryFolder(), "staging");
    const run = child(folder, many.length);
    await firstFile(folder);
    run.kill("SIGKILL");
    await run;
    expect(existsSync(join(folder, "srv/plain/0"))).toBe(true);
    const unstage = stageExtraFiles(folder, files);
    expect(readdirSync(folder).sort()).toEqual(["etc", "var"]);
    unstage();
    expect(existsSync(folder)).toBe(false);
  });
});

describe("the check of what arrived", () => {
  /** An ssh that does what it is told right here, and writes down how long that was. */
  async function look(folder: string, files: readonly ExtraFile[]): Promise<{ unseen: string[]; lengths: number[] }> {
    const log = join(folder, "log");
    const script = `#!/bin/sh\nfor last; do :; done\necho "\${#last}" >> '${log}'\nexec sh -c "$last"\n`;
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin", "ssh"), script, { mode: 0o700 });
    const path = process.env["PATH"];
    process.env["PATH"] = `${join(folder, "bin")}:${path}`;
    try {
      const route = { address: "-", port: 22, user: "-", alias: "-", knownHosts: "-", identity: "-" };
      const unseen = await checkDelivered(route, "web-1", files, new AbortController().signal);
      return { unseen, lengths: readFileSync(log, "utf8").trim().split("\n").map(Number) };
    } finally {
      process.env["PATH"] = path;
    }
  }

  /** Files of this mode that did arrive, on a "host" that is a folder here. */
  function arrived(folder: string, names: readonly string[]): ExtraFile[] {
    return names.map((name) => {
      writeFileSync(join(folder, name), "");
      chmodSync(join(folder, name), 0o640);
      return { path: join(folder, name), mode: 0o640, content: "", added: true };
    });
  }

  it.runIf(process.getuid?.() === 0)("has room for any number of files, and asks in commands of a length", async () => {
    const folder = temporaryFolder();
    const names = Array.from({ length: 3000 }, (_, index) => `a file with a long name, number ${index}`);
    const { unseen, lengths } = await look(folder, arrived(folder, names));
    expect(unseen).toEqual([]);
    expect(lengths.length).toBeGreaterThan(1);
    expect(Math.max(...lengths)).toBeLessThan(64 * 1024);
  });

  it.runIf(process.getuid?.() === 0)(
    "knows names as they are, and says of each what is not as it was sent",
    async () => {
      const folder = temporaryFolder();
      const files = arrived(folder, ["it's", "$(id) `id`", 'a "b" \\ c', " two  blanks "]);
      expect((await look(folder, files)).unseen).toEqual([]);

      const other = temporaryFolder();
      const [wide, gone, given] = arrived(other, ["wide", "gone", "given"]);
      if (!wide || !gone || !given) throw new Error("arrived() gives one file a name");
      chmodSync(wide.path, 0o644);
      rmSync(gone.path);
      chownSync(given.path, 1000, 100);
      await expect(look(other, [...files, wide, gone, given])).rejects.toMatchObject({
        details: [
          `${wide.path}: wanted mode, owner and group "640 0 0", found "644 0 0"`,
          `${gone.path}: wanted mode, owner and group "640 0 0", found no such file`,
          `${given.path}: wanted mode, owner and group "640 0 0", found "640 1000 100"`,
        ],
        problems: [
          { fix: expect.stringMatching(/^Files in \.clawdlets\/extra-files\/web-1\/ .* raise clawdlets:reinstall/) },
        ],
      });
      // Of our own files, a person changes none.
      const { added: _, ...own } = gone;
      const refused = await look(temporaryFolder(), [own]).catch((error: unknown) => error);
      expect((refused as UserError).problems).toEqual([expect.not.objectContaining({ fix: expect.anything() })]);
    },
  );
});
