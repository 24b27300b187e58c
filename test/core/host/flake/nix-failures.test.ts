import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { explainFailure, type FailureKind } from "../../../../core/host/install/failure.ts";
import { describeWith } from "../../../_needs.ts";

/** Common mistakes, each in a repository of its own, built by the nix of this machine as nixos-anywhere has it built. */
type Files = Record<string, string>;
const flake = `{ outputs = { self }: { nixosConfigurations.web-1.config.system.build.toplevel = import ./host.nix; }; }`;
const builder = (script: string) =>
  `derivation { name = "bot-1.0"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "${script}" ]; }`;

/** `old`: what a nix before 2.20 says too little to tell apart. */
const mistakes: readonly (readonly [kind: FailureKind, name: string, mistake: string | Files, old?: FailureKind])[] = [
  ["thrown", "throw", `throw "no such bot"`, "evaluation"],
  ["thrown", "abort", `abort "no such bot"`],
  ["failed-assertion", "assert", `assert 1 > 2; { }`],
  ["missing-file", "a file that is not there", `import ./bots.nix`],
  ["missing-file", "a file that is not in git", { "host.nix": "import ./untracked.nix", "untracked.nix": "{ }" }],
  ["missing-file", "a folder that is not in git", { "host.nix": "import ./untracked", "untracked/default.nix": "{ }" }],
  ["missing-file", "a file to be read", `builtins.readFile ./openclaw.json`],
  ["missing-attribute", "an attribute that is not there", `{ maren = 1; }.maron`],
  ["undefined-variable", "a name that is not defined", `lib.mkForce 3`],
  ["syntax-error", "a missing semicolon", `{ a = 1`],
  ["syntax-error", "an attribute given twice", `{ a = 1; a = 2; }`],
  ["infinite-recursion", "a value that depends on itself", `let a = b; b = a; in a`],
  ["infinite-recursion", "a call without end", `let f = x: 1 + f x; in f 0`],
  ["wrong-type", "a number and a text", `1 + "a"`],
  ["wrong-type", "a set in a text", `"\${{ a = 1; }}"`],
  ["invalid-data", "malformed JSON", `builtins.fromJSON "{ \\"a\\": 1,, }"`],
  ["impure", "a file outside of the repository", `builtins.readFile /etc/hostname`],
  ["not-a-system", "a set that is not a system", `{ a = 1; }`],
  ["missing-host", "another host", { "flake.nix": `{ outputs = _: { nixosConfigurations.web-2 = { }; }; }` }],
  ["invalid-flake", "an attribute that a flake does not have", { "flake.nix": `{ outputs = _: { }; outputz = 1; }` }],
  ["invalid-data", "a lock file with a merge conflict", { "host.nix": "1", "flake.lock": "{\n<<<<<<< HEAD\n" }],
  ["failed-builder", "a build that fails", builder("echo broken; exit 3")],
  ["killed-builder", "a build that is killed", builder("kill -9 $$")],
  ["no-space", "a build whose disk is full", builder("echo No space left on device; exit 1")],
  ["wrong-system", "a build for ARM", builder("true").replace("x86_64", "aarch64")],
  [
    "hash-mismatch",
    "a download that has changed",
    builder("echo x > $out").replace(
      "args",
      `outputHash = "${"0".repeat(52)}"; outputHashAlgo = "sha256"; outputHashMode = "flat"; args`,
    ),
  ],
];

describeWith({ programs: ["nix", "git"] }, "of the real nix", () => {
  let root: string;
  let env: Record<string, string>;
  let isOld: boolean;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "clawdlets-nix-"));
    // A store of its own: this machine's is not touched, and need not be there.
    env = {
      PATH: process.env["PATH"] ?? "",
      HOME: root,
      GIT_CONFIG_GLOBAL: "/dev/null",
      NIX_STORE_DIR: join(root, "store"),
      NIX_STATE_DIR: join(root, "state"),
      NIX_LOG_DIR: join(root, "log"),
      NIX_CONF_DIR: root,
      NIX_CONFIG:
        "sandbox = false\nbuild-users-group =\nsubstituters =\nextra-experimental-features = nix-command flakes",
    };
    const { stdout } = await execa("nix", ["build", "--help"], { env, extendEnv: false, reject: false });
    isOld = !stdout.includes("--print-out-paths");
  });

  afterAll(() => {
    // Nix makes what is in a store read-only.
    for (const { parentPath, name } of readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    )) {
      chmodSync(join(parentPath, name), 0o700);
    }
    rmSync(root, { recursive: true });
  });

  async function repositoryOf(name: string, files: Files): Promise<string> {
    const folder = join(root, name.replaceAll(" ", "-"));
    for (const [file, text] of Object.entries({ "flake.nix": flake, ...files })) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    const git = (...args: string[]) =>
      execa("git", ["-c", "user.name=a", "-c", "user.email=a@example.org", ...args], {
        cwd: folder,
        env,
        extendEnv: false,
      });
    await git("init", "-q");
    await git("add", ":!untracked*");
    await git("commit", "-qm", "x");
    return folder;
  }

  it.for(mistakes)("%s: %s", async ([kind, name, mistake, old]) => {
    const folder = await repositoryOf(name, typeof mistake === "string" ? { "host.nix": mistake } : mistake);
    const attribute = `git+file://${folder}#nixosConfigurations."web-1".config.system.build.toplevel`;
    const args = ["build", "--no-link", "--no-write-lock-file", ...(isOld ? [] : ["--print-out-paths"]), attribute];
    const { exitCode, stderr } = await execa("nix", args, { env, extendEnv: false, reject: false });
    const context = { host: "web-1", address: "203.0.113.9" };
    const output = stderr.split("\n");
    const ending = { phase: "kexec", exitCode, signal: undefined, late: undefined, output, context };
    const found = explainFailure(ending);
    expect(found.kind, stderr).toBe((isOld && old) || kind);
    expect(found.message + found.advice).not.toContain("console");
  });
});
