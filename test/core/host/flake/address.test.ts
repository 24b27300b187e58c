import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { resolveFlake } from "../../../../core/host/flake/flake.ts";
import { layoutOf } from "../../../../core/project/layout.ts";
import { loadHost, type WantedRevision } from "../../../../core/project/settings/host.ts";
import { path } from "../../../_debian.ts";
import { describeWith } from "../../../_needs.ts";
import { project, temporaryFolder } from "../../../_project.ts";

const host = "clawdbot-fleet-host";
const names = [
  "plain",
  "my project",
  "Zoë ünï",
  "日本",
  "a?b",
  "a#b",
  "a%20b",
  "50%",
  "a&b=c+d",
  "a[b]",
  "a'b\"c",
  "a\\b^c|d",
  "a;b,c",
];

/** A project in a folder of this name, with a flake that says where it is from, and one in a folder below. */
async function projectIn(name: string) {
  const root = join(temporaryFolder(), name);
  cpSync(project().root, root, { recursive: true });
  for (const [folder, says] of [
    [".", "top"],
    [name, "below"],
  ] as const) {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, "flake.nix"), `{ outputs = _: { ${JSON.stringify(host)} = "${says}"; }; }\n`);
  }
  writeFileSync(join(root, ".gitignore"), ".clawdlets/\n");
  const git = async (...args: string[]) => {
    const identity = ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false"];
    return (await execa("git", [...identity, ...args], { cwd: root })).stdout;
  };
  await git("init", "--quiet", "--initial-branch=trunk");
  await git("add", "--all");
  await git("commit", "--quiet", "-m", "all");
  const layout = layoutOf(root);
  const resolved = (flake?: string, wanted?: WantedRevision) => {
    const { settings, local } = loadHost(layout, host, {});
    return resolveFlake(layout, flake === undefined ? settings : { ...settings, flake }, local, wanted);
  };
  return { root, git, resolved };
}

/** What the real nix makes of a flake's address. */
async function evaluated(flake: string): Promise<string> {
  const folder = temporaryFolder();
  const store = ["--store", join(folder, "store"), "--option", "build-users-group", ""];
  const args = ["--extra-experimental-features", "nix-command flakes", "--offline", ...store, "eval", "--raw", flake];
  const { stdout, stderr, exitCode } = await execa("nix", args, {
    env: { PATH: path, HOME: folder },
    extendEnv: false,
    reject: false,
  });
  await execa("chmod", ["-R", "u+w", folder]);
  return exitCode === 0 ? stdout : `${flake}: ${stderr}`;
}

describeWith({ programs: ["nix", "git"] }, "a flake's address, as nix reads it", () => {
  it.each(names)(
    "is that of a project in a folder called %j, of a folder in it, and of a commit by a tag",
    async (name) => {
      const { git, resolved, root } = await projectIn(name);
      expect(await evaluated(await resolved())).toBe("top");
      expect(await evaluated(await resolved("."))).toBe("top");
      await git("tag", "v1");
      await git("commit", "--quiet", "--allow-empty", "-m", "later");
      expect(await evaluated(await resolved(undefined, { ref: "v1" }))).toBe("top");
      if (!/[?#]/.test(name)) expect(await evaluated(await resolved(`./${name}`))).toBe("below");
      if (/^[^?#%]*$/.test(name)) expect(await evaluated(await resolved(`git+file://${root}`))).toBe("top");
    },
    60_000,
  );

  it.each(["plain", "my project"])("is that of a commit on no branch, in a folder called %j", async (name) => {
    const { git, resolved } = await projectIn(name);
    await git("checkout", "--quiet", "--detach");
    await git("commit", "--quiet", "--allow-empty", "-m", "detached");
    expect(await evaluated(await resolved())).toBe("top");
  });

  it.each(["plain", "my project"])(
    "is refused for a shallow clone in a folder called %j, with the command that fetches the rest",
    async (name) => {
      const { git, root } = await projectIn("origin");
      await git("commit", "--quiet", "--allow-empty", "-m", "later");
      const clone = await projectIn(name);
      await execa("rm", ["-rf", join(clone.root, ".git")]);
      const bare = join(temporaryFolder(), "clone");
      await execa("git", ["clone", "--quiet", "--depth", "1", `file://${root}`, bare]);
      cpSync(join(bare, ".git"), join(clone.root, ".git"), { recursive: true });
      await clone.git("remote", "set-url", "origin", root);
      const refused = await clone.resolved().then(String, (error: Error) => error.message);
      const [, command = ""] =
        /is a shallow clone, which nix refuses\. Fetch the rest: (git -C .* fetch --unshallow)$/.exec(refused) ?? [];
      expect(command, refused).not.toBe("");
      await clone.git("remote", "set-url", "origin", `file://${root}`);
      await execa("sh", ["-c", command]);
      await clone.git("remote", "set-url", "origin", root);
      expect(await evaluated(await clone.resolved())).toBe("top");
    },
  );
});
