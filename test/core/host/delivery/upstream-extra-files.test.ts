import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { run } from "../../../../core/base/machine/run.ts";
import { problemLine, problemSentence } from "../../../../core/base/problem.ts";
import { readDelivery } from "../../../../core/host/delivery/delivery.ts";
import { extraFilesOf, ownPathsOf, stageExtraFiles } from "../../../../core/host/delivery/extra-files.ts";
import { readUpstreamTree } from "../../../../core/host/delivery/upstream-extra-files.ts";
import { checkSecretSources, readSecretSources } from "../../../../core/host/delivery/upstream-secrets.ts";
import { hostLayoutOf } from "../../../../core/project/layout.ts";
import { type AgeKeyPair, createAgeKeyPair, identityFileText } from "../../../../core/project/secrets/keys/age.ts";
import { requiredSecrets } from "../../../../core/project/secrets/required.ts";
import { loadHost } from "../../../../core/project/settings/host.ts";
import { findEngine } from "../../../../engine/find-engine.ts";
import { project, stackFile, recipient as stackRecipient } from "../../../_project.ts";

const host = "clawdbot-fleet-host";
const remote = `/var/lib/clawdlets/secrets/hosts/${host}`;
const sops = findEngine(process.cwd())?.sops ?? "sops";

/** Writes a file of exactly this mode, with its folders. */
function put(file: string, content: string, mode = 0o600): string {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

async function encrypted(name: string, value: string, recipient: string): Promise<string> {
  const types = ["--input-type", "yaml", "--output-type", "yaml", "--filename-override", "x.yaml"];
  const input = stringify({ [name]: value });
  const { stdout, exitCode, stderr } = await run(sops, ["encrypt", "--age", recipient, ...types], { input, cwd: "/" });
  expect(exitCode, stderr).toBe(0);
  return stdout;
}

/** A host whose keys and secrets are all in order, in the local folder alone. */
async function goodHost() {
  const pair = await createAgeKeyPair();
  const layout = project({ stackFile: stackFile.replace(stackRecipient, pair.recipient) });
  const files = hostLayoutOf(layout, host);
  put(files.identity, identityFileText(pair));
  put(files.hostKey, "host key\n");
  put(`${files.hostKey}.pub`, "ssh-ed25519 AAAA host\n");
  const { settings, local } = loadHost(layout, host, {});
  const required = requiredSecrets(layout, settings);
  for (const { name } of required) put(join(files.secrets, `${name}.yaml`), await encrypted(name, "v", pair.recipient));
  return {
    layout,
    files,
    pair,
    tree: (path: string) => join(files.extraFiles, path),
    local: (name: string) => join(files.secrets, `${name}.yaml`),
    problems: async () => {
      const sources = readSecretSources(layout, files, local, required);
      const check = { layout, host: files, recipient: pair.recipient, sops };
      const found = await checkSecretSources(sources, check);
      return found.map(problemLine);
    },
    delivered: async () => {
      const delivery = await readDelivery(files, {
        layout,
        settings,
        local,
        installId: "0".repeat(16),
        address: "203.0.113.7",
      });
      return new Map(extraFilesOf(delivery).map((file) => [file.path, file]));
    },
  };
}

const keyOf = ({ identity }: AgeKeyPair) => `${identity}\n`;

describe("a tree as upstream left it", () => {
  it("is not a problem where there is none, and adds nothing", async () => {
    const { problems, delivered } = await goodHost();
    expect(await problems()).toEqual([]);
    expect([...(await delivered()).values()].filter(({ added }) => added)).toEqual([]);
  });

  it("is sent at its paths with the modes it has here, and ours wins on the same path", async () => {
    const { files, pair, tree, local, problems, delivered } = await goodHost();
    put(tree("var/lib/sops-nix/key.txt"), keyOf(pair));
    put(tree("var/lib/clawdlets/install-id"), "theirs\n", 0o644);
    put(tree("etc/ssh/ssh_host_ed25519_key"), "theirs\n");
    put(
      tree(`${remote}/admin_password_hash.yaml`),
      await encrypted("admin_password_hash", "old", pair.recipient),
      0o400,
    );
    put(tree("etc/foo"), "foo\n", 0o644);
    put(tree('srv/it\'s a "name" $(x)/b ar'), "bar\n", 0o750);
    mkdirSync(tree("srv/empty"), { mode: 0o755 });
    put(local("unasked"), await encrypted("unasked", "local", pair.recipient));
    put(tree(`${remote}/unasked.yaml`), await encrypted("unasked", "tree", pair.recipient), 0o444);
    expect(await problems()).toEqual([]);

    const sent = await delivered();
    expect(sent.get("/etc/foo")).toMatchObject({ mode: 0o644, content: Buffer.from("foo\n") });
    expect(sent.get('/srv/it\'s a "name" $(x)/b ar')).toMatchObject({ mode: 0o750, content: Buffer.from("bar\n") });
    expect(sent.get("/srv/empty")).toMatchObject({ mode: 0o755, content: null });
    expect(sent.get('/srv/it\'s a "name" $(x)')).toMatchObject({ mode: 0o711, content: null });
    expect(sent.get("/var/lib/sops-nix/key.txt")).toMatchObject({ mode: 0o400, content: identityFileText(pair) });
    expect(sent.get("/var/lib/clawdlets/install-id")).toMatchObject({ mode: 0o444, content: `${"0".repeat(16)}\n` });
    expect(sent.get("/etc/ssh/ssh_host_ed25519_key")?.content).toBe("host key\n");
    for (const name of ["admin_password_hash", "unasked"]) {
      const ours = await run("cat", [local(name)]);
      expect(sent.get(`${remote}/${name}.yaml`)).toMatchObject({ mode: 0o400, content: ours.stdout });
    }
    // Every path once: two entries of one path would be two files of one name to the installer.
    stageExtraFiles(files.staging, [...sent.values()])();
  });

  it("is taken from for a required secret that the local folder lacks", async () => {
    const { pair, tree, local, problems, delivered } = await goodHost();
    const text = await encrypted("admin_password_hash", `$6$salt$${"t".repeat(86)}`, pair.recipient);
    rmSync(local("admin_password_hash"));
    put(tree(`${remote}/admin_password_hash.yaml`), text, 0o400);
    expect(await problems()).toEqual([]);
    expect((await delivered()).get(`${remote}/admin_password_hash.yaml`)).toMatchObject({ mode: 0o400, content: text });
  });

  it("is judged by the value too: a placeholder is refused", async () => {
    const { pair, tree, local, problems } = await goodHost();
    rmSync(local("admin_password_hash"));
    const text = await encrypted("admin_password_hash", "<FILL_ME>", pair.recipient);
    put(tree(`${remote}/admin_password_hash.yaml`), text, 0o400);
    expect(await problems()).toEqual([
      expect.stringMatching(/admin_password_hash: is still the placeholder <FILL_ME>/),
    ]);
  });
});

describe("the age identity in the tree", () => {
  it("is refused when it is another one: both files, both recipients, no key", async () => {
    const { pair, tree, problems } = await goodHost();
    const other = await createAgeKeyPair();
    put(tree("var/lib/sops-nix/key.txt"), keyOf(other));
    const [problem = "", ...rest] = await problems();
    expect(rest).toEqual([]);
    const [where, local] = [
      `.clawdlets/extra-files/${host}/var/lib/sops-nix/key.txt`,
      `.clawdlets/secrets/hosts/${host}.agekey`,
    ];
    expect(problem).toBe(
      `${where}: age identity: is the private half of ${other.recipient}, but ${local} is that of ${pair.recipient}. ` +
        `clawdlets:ageRecipient is ${pair.recipient}, so: rm '${where}'`,
    );
  });

  it("is said to be the right one when it is the stack's", async () => {
    const { pair, files, tree, problems } = await goodHost();
    put(tree("var/lib/sops-nix/key.txt"), keyOf(pair));
    put(files.identity, identityFileText(await createAgeKeyPair()));
    const [problem = ""] = await problems();
    expect(problem).toMatch(/so: install -m 600 '.*key\.txt' '.*\.agekey'$/);
    expect(problem).not.toContain("AGE-SECRET-KEY");
    rmSync(files.identity);
    expect(await problems()).toEqual([expect.stringMatching(/but there is no .*\.agekey\. To use it: install -m 600/)]);
  });

  it.each([
    ["0640", 0o640],
    ["0604", 0o604],
  ])("is refused with mode %s", async (_, mode) => {
    const { pair, tree, problems } = await goodHost();
    put(tree("var/lib/sops-nix/key.txt"), keyOf(pair), mode);
    expect(await problems()).toEqual([expect.stringMatching(/age identity: .*others on this machine can read it/)]);
  });

  it("is refused when it is invalid", async () => {
    const { tree, problems } = await goodHost();
    put(tree("var/lib/sops-nix/key.txt"), "nothing\n");
    expect(await problems()).toEqual([expect.stringMatching(/age identity: .*holds no age identity/)]);
  });
});

describe("a secret that comes from the tree is refused", () => {
  const name = "admin_password_hash";
  const where = `.clawdlets/extra-files/${host}${remote}/${name}.yaml: ${name}: not encrypted to this host's recipient`;

  it("when it is encrypted to someone else", async () => {
    const { pair, tree, local, problems } = await goodHost();
    const other = await createAgeKeyPair();
    rmSync(local(name));
    put(tree(`${remote}/${name}.yaml`), await encrypted(name, "v", other.recipient), 0o400);
    expect(await problems()).toEqual([`${where} ${pair.recipient}, but to ${other.recipient}.`]);
  });

  it("when it does not open, holds another key, or can be read by others", async () => {
    const { pair, tree, local, problems } = await goodHost();
    rmSync(local(name));
    const file = tree(`${remote}/${name}.yaml`);
    const good = await encrypted(name, "v", pair.recipient);
    // Another first byte, whatever it was.
    put(
      file,
      good.replace(/data:(.)./, (_, first) => (first === "A" ? "data://" : "data:AA")),
    );
    expect(await problems()).toEqual([expect.stringContaining(`${name}: sops could not decrypt`)]);
    put(file, await encrypted("another", "v", pair.recipient));
    expect(await problems()).toEqual([expect.stringContaining("its key is the file's name")]);
    put(file, good, 0o444);
    expect(await problems()).toEqual([expect.stringMatching(/mode 0444: others on this machine can read it/)]);
  });

  it("when it stands in both and the tree's is encrypted to someone else", async () => {
    const { pair, tree, problems } = await goodHost();
    const other = await createAgeKeyPair();
    put(tree(`${remote}/${name}.yaml`), await encrypted(name, "v", other.recipient), 0o400);
    expect(await problems()).toEqual([
      `${where} ${pair.recipient}, but to ${other.recipient}. .clawdlets/secrets/hosts/${host}/${name}.yaml is ` +
        "sent instead. Remove the one that is out of date.",
    ]);
  });

  it("when it is not encrypted, without a word of it", async () => {
    const { tree, local, problems } = await goodHost();
    put(tree(`${remote}/${name}.yaml`), "plain: [text\n");
    const both = await problems();
    rmSync(local(name));
    for (const found of [both, await problems()]) {
      expect(found).toEqual([expect.stringContaining("but to nobody.")]);
      expect(found.join("")).not.toContain("plain");
    }
  });

  it("and a local one that is sent only because the tree has it is judged, too", async () => {
    const { pair, tree, local, problems } = await goodHost();
    put(tree(`${remote}/unasked.yaml`), await encrypted("unasked", "v", pair.recipient));
    put(local("unasked"), await encrypted("another", "v", pair.recipient));
    expect(await problems()).toEqual([
      expect.stringMatching(/^\.clawdlets\/secrets\/hosts\/.*\/unasked\.yaml: unasked: .*its key is the file's name/),
    ]);
  });
});

describe("what cannot be sent as it stands", () => {
  const own = ownPathsOf(remote, ["admin_password_hash"]);
  /** What is said of a tree that `make` has something put into. */
  function problemsWith(make: (folder: string) => void): string[] {
    const layout = project();
    const files = hostLayoutOf(layout, host);
    mkdirSync(files.extraFiles, { recursive: true });
    put(join(files.extraFiles, "etc/fine"), "fine", 0o644);
    make(files.extraFiles);
    const { problems } = readUpstreamTree(layout, files, own);
    return problems.map(problemLine);
  }
  const at = (path: string) => `.clawdlets/extra-files/${host}/${path}: extra-files: `;
  const mkfifo = (file: string) => void execFileSync("mkfifo", [file]);

  it.each<[string, (folder: string) => void, string, RegExp]>([
    ["a link to a file", (f) => symlinkSync("fine", join(f, "etc/a")), "etc/a", /^is a link\. Put the file/],
    ["a link out of the tree", (f) => symlinkSync("/etc/shadow", join(f, "etc/a")), "etc/a", /^is a link/],
    ["a link to a folder", (f) => symlinkSync("/etc", join(f, "srv")), "srv", /^is a link/],
    ["a link to nothing", (f) => symlinkSync("/nowhere", join(f, "srv")), "srv", /^is a link/],
    ["a pipe", (f) => mkfifo(join(f, "etc/a")), "etc/a", /^is a socket, a pipe or a device.* Remove it/],
    ["a setuid file", (f) => put(join(f, "a"), "", 0o4755), "a", /^has mode 4755: setuid.* chmod u-s,g-s,-t '.*a'$/],
    ["a setgid file", (f) => put(join(f, "a"), "", 0o2755), "a", /^has mode 2755: setuid, setgid/],
    ["a sticky file", (f) => put(join(f, "a"), "", 0o1644), "a", /^has mode 1644: setuid, setgid or sticky/],
    [
      "a file its group may write",
      (f) => put(join(f, "a"), "", 0o664),
      "a",
      /^has mode 0664: others may .* chmod go-w/,
    ],
    ["a file all may write", (f) => put(join(f, "a"), "", 0o602), "a", /^has mode 0602: others may write to it/],
    ["a folder without x", (f) => mkdirSync(join(f, "srv"), { mode: 0o600 }), "srv", /^has mode 0600.* chmod u\+rx/],
    ["a folder without r", (f) => mkdirSync(join(f, "srv"), { mode: 0o300 }), "srv", /^has mode 0300: its owner/],
    ["a newline in a name", (f) => put(join(f, "etc/a\nb"), ""), "etc/a\\u{a}b", /^has a control character.* Rename/],
    ["an escape in a name", (f) => put(join(f, "etc/\u001b[2J"), ""), "etc/\\u{1b}[2J", /^has a control character/],
    ["a folder of a bad name", (f) => put(join(f, "a\u0085/b"), ""), "a\\u{85}", /^has a control character/],
    [
      "a file for a folder",
      (f) => put(join(f, "etc/ssh"), ""),
      "etc/ssh",
      /^is not a folder, but \/etc\/ssh\/ssh_host_/,
    ],
    [
      "a folder for a file",
      (f) => mkdirSync(join(f, own[0] ?? ""), { recursive: true }),
      (own[0] ?? "").slice(1),
      /^is a folder, but .*key\.txt has to be a file/,
    ],
  ])("is %s", (_, make, path, message) => {
    const found = problemsWith(make);
    expect(found).toHaveLength(1);
    expect(found[0]?.startsWith(at(path)), found[0]).toBe(true);
    expect(found[0]?.slice(at(path).length)).toMatch(message);
    expect(found.join("")).not.toMatch(/\p{Cc}/u);
  });

  it("is a name that is not UTF-8", () => {
    const found = problemsWith((folder) => writeFileSync(Buffer.from(`${folder}/etc/\xff`, "latin1"), ""));
    expect(found).toEqual([expect.stringMatching(/has a control character or invalid UTF-8 in its name/)]);
  });

  it("is a hard link: a second name of a file that may be anything", () => {
    const found = problemsWith((folder) => linkSync(join(folder, "etc/fine"), join(folder, "etc/again")));
    expect(found).toEqual([
      expect.stringMatching(/etc\/again: .*one file under 2 names/),
      expect.stringMatching(/etc\/fine: .*one file under 2 names/),
    ]);
  });

  it("is a socket", async () => {
    const layout = project();
    const files = hostLayoutOf(layout, host);
    mkdirSync(files.extraFiles, { recursive: true });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(files.extraFiles, "s"), resolve));
    const { problems } = readUpstreamTree(layout, files, own);
    server.close();
    expect(problems.map(problemSentence)).toEqual([expect.stringMatching(/^is a socket, a pipe or a device/)]);
  });

  it.runIf(process.getuid?.() === 0)("is a device", () => {
    const found = problemsWith((folder) => execFileSync("mknod", [join(folder, "null"), "c", "1", "3"]));
    expect(found).toEqual([expect.stringMatching(/is a socket, a pipe or a device/)]);
  });

  it("is the tree itself, where a link or a file stands in its place", () => {
    const instead = (make: (folder: string) => void) =>
      problemsWith((folder) => {
        rmSync(folder, { recursive: true });
        make(folder);
      });
    expect(instead((folder) => symlinkSync("/etc", folder))).toEqual([expect.stringMatching(/^.*host: .*is a link/)]);
    expect(instead((folder) => writeFileSync(folder, ""))).toEqual([expect.stringMatching(/is not a folder, but/)]);
    const above = instead((folder) => {
      rmSync(dirname(folder), { recursive: true });
      symlinkSync("/etc", dirname(folder));
    });
    expect(above).toEqual([expect.stringMatching(/^\.clawdlets\/extra-files: .*is a link/)]);
  });

  it("is said all at once, and nothing of it is sent", async () => {
    const { tree, problems, delivered } = await goodHost();
    put(tree("etc/a"), "", 0o666);
    symlinkSync("/etc/shadow", tree("etc/b"));
    put(tree("etc/c\n"), "");
    put(tree("var/lib/sops-nix/key.txt"), "nothing\n");
    expect(await problems()).toHaveLength(4);
    await expect(delivered()).rejects.toThrow(/3 settings need fixing/);
  });
});
