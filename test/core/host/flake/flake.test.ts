import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { afterEach, describe, expect, it, vi } from "vitest";
import { flakeOfOrigin, resolveFlake } from "../../../../core/host/flake/flake.ts";
import type { Layout } from "../../../../core/project/layout.ts";
import { loadHost, type WantedRevision } from "../../../../core/project/settings/host.ts";
import { project, stackFile, temporaryFolder, upstreamStack } from "../../../_project.ts";

const host = "clawdbot-fleet-host";
const someRev = "0123456789abcdef0123456789abcdef01234567";

afterEach(() => vi.unstubAllEnvs());

const gitIn =
  (cwd: string) =>
  async (...args: string[]) => {
    const identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=trunk"];
    return (await execa("git", [...identity, ...args], { cwd })).stdout;
  };

const resolved = (layout: Layout, wanted?: WantedRevision) => {
  const { settings, local } = loadHost(layout, host, {});
  return resolveFlake(layout, settings, local, wanted);
};
const projectWith = (flake: string) =>
  project({ stackFile: `${stackFile}  clawdlets:flake: ${JSON.stringify(flake)}\n` });
const pinned = (flake: string, wanted?: WantedRevision) => resolved(projectWith(flake), wanted);
const refusal = async (flake: string, wanted?: WantedRevision) =>
  pinned(flake, wanted).then(
    (uri) => Promise.reject(new Error(`taken: ${uri}`)),
    (error: Error) => error.message,
  );

/** A repository with a branch `trunk`, a branch and two tags beside it. */
async function repository(folder = temporaryFolder()) {
  mkdirSync(folder, { recursive: true });
  const git = gitIn(folder);
  await git("init", "--quiet");
  const commit = async (name: string) => {
    await git("commit", "--quiet", "--allow-empty", "-m", name);
    return git("rev-parse", "HEAD");
  };
  const first = await commit("first");
  await git("tag", "light");
  await git("tag", "-a", "-m", "x", "annotated");
  await git("branch", "both");
  await git("tag", "both");
  await git("checkout", "--quiet", "-b", "feature/x");
  const feature = await commit("feature");
  await git("checkout", "--quiet", "trunk");
  const head = await commit("second");
  return { folder, git, first, feature, head, uri: `git+file://${folder}` };
}

/** Sends what is asked of GitHub, and of nobody else, to repositories below `folder`. */
function asGitHub(folder: string): void {
  const config = join(temporaryFolder(), "gitconfig");
  writeFileSync(config, `[url "file://${folder}/"]\n  insteadOf = https://github.com/\n`);
  vi.stubEnv("GIT_CONFIG_GLOBAL", config);
}

describe("the flake of an origin", () => {
  it.each([
    ["https://github.com/you/hosts.git", "github:you/hosts"],
    ["https://github.com/you/hosts", "github:you/hosts"],
    ["git@github.com:you/hosts.git", "github:you/hosts"],
    ["ssh://git@github.com/you/hosts.git", "github:you/hosts"],
    ["https://git.example.com/you/hosts.git", "git+https://git.example.com/you/hosts.git"],
    ["git@git.example.com:you/hosts.git", "git+ssh://git@git.example.com/you/hosts.git"],
    ["https://x-access-token:secret@github.com/you/hosts.git", "github:you/hosts"],
    ["https://secret@github.com/you/hosts", "github:you/hosts"],
    ["https://oauth2:secret@git.example.com/you/hosts.git", "git+https://git.example.com/you/hosts.git"],
    ["https://git.example.com/you/hosts.git?private_token=secret", "git+https://git.example.com/you/hosts.git"],
    ["ssh://git:secret@git.example.com/you/hosts.git", "git+ssh://git.example.com/you/hosts.git"],
    ["git:secret@git.example.com:you/hosts.git", undefined],
    ["/srv/git/hosts.git", undefined],
    ["", undefined],
  ])("%s is %s", (origin, flake) => expect(flakeOfOrigin(origin)).toBe(flake));
});

describe("the flake that is installed", () => {
  it("has the attribute of the host and no other", async () => {
    expect(await pinned(`github:you/hosts/${someRev}#${host}`)).toBe(`github:you/hosts/${someRev}#${host}`);
    expect(await refusal("github:you/hosts#other")).toMatch(/names the attribute "other"/);
  });

  it("is the repository itself, pinned to a commit that has the stack file", async () => {
    const layout = project();
    const git = gitIn(layout.root);
    await git("init", "--quiet");
    await expect(resolved(layout)).rejects.toThrow(/has no git commit/);
    await git("commit", "--quiet", "--allow-empty", "-m", "empty");
    const empty = await git("rev-parse", "HEAD");
    await expect(resolved(layout)).rejects.toThrow(/is not committed, and the flake sees only commits\. Fix: git add/);
    await git("add", "stacks");
    await git("commit", "--quiet", "-m", "stack");
    const rev = await git("rev-parse", "HEAD");
    expect(await resolved(layout)).toBe(`git+file://${layout.root}?rev=${rev}#${host}`);

    await git("commit", "--quiet", "--allow-empty", "-m", "later");
    for (const wanted of [{ rev }, { ref: "trunk~1" }, { ref: "before" }]) {
      await git("tag", "-f", "before", rev);
      if (wanted.ref === "trunk~1") await expect(resolved(layout, wanted)).rejects.toThrow(/ref is "trunk~1"; allowed/);
      else expect(await resolved(layout, wanted)).toBe(`git+file://${layout.root}?rev=${rev}#${host}`);
    }
    await expect(resolved(layout, { rev: empty })).rejects.toThrow(`is not in commit ${empty}`);
    await expect(resolved(layout, { ref: "nowhere" })).rejects.toThrow(/has no commit "nowhere"\. Fetch it/);
  });

  it("is the project by its own URI too, with the stack file in it", async () => {
    const layout = project();
    const git = gitIn(layout.root);
    await git("init", "--quiet");
    await git("commit", "--quiet", "--allow-empty", "-m", "empty");
    const { settings, local } = loadHost(layout, host, {});
    const named = (flake: string) => resolveFlake(layout, { ...settings, flake }, local);
    await expect(named(`git+file://${layout.root}`)).rejects.toThrow(/is not in commit/);
    await git("add", "stacks");
    await git("commit", "--quiet", "-m", "stack");
    const rev = await git("rev-parse", "HEAD");
    for (const uri of [`git+file://${layout.root}`, "git+file:.", ".", layout.root, `${layout.root}/`]) {
      expect(await named(uri)).toBe(`git+file://${layout.root}?rev=${rev}#${host}`);
    }
    expect(await named("./stacks")).toBe(`git+file://${layout.root}?dir=stacks&rev=${rev}#${host}`);
    await expect(named("path:.")).rejects.toThrow(/copied to \/nix\/store as a whole/);
  });
});

describe("a named flake", () => {
  it("is pinned to what its branch or tag is now", async () => {
    const { uri, git, folder, first, feature, head } = await repository();
    const at = (query: string) => `${uri}?${query}#${host}`;
    expect(await pinned(uri)).toBe(at(`rev=${head}`));
    expect(await pinned(`${uri}?ref=HEAD`)).toBe(at(`rev=${head}`));
    expect(await pinned(`${uri}?ref=feature/x`)).toBe(at(`ref=refs/heads/feature/x&rev=${feature}`));
    expect(await pinned(`${uri}?ref=feature%2Fx&dir=nix`)).toBe(at(`dir=nix&ref=refs/heads/feature/x&rev=${feature}`));
    expect(await pinned(`${uri}?dir=nix&ref=light`)).toBe(at(`dir=nix&ref=refs/tags/light&rev=${first}`));
    expect(await pinned(`${uri}?ref=annotated`)).toBe(at(`ref=refs/tags/annotated&rev=${first}`));
    expect(await pinned(`${uri}?ref=refs/tags/annotated`)).toBe(at(`ref=refs/tags/annotated&rev=${first}`));
    expect(await pinned(`${uri}?ref=refs/heads/both`)).toBe(at(`ref=refs/heads/both&rev=${first}`));
    await git("commit", "--quiet", "--allow-empty", "-m", "third");
    expect(await pinned(uri)).toBe(at(`rev=${await git("rev-parse", "HEAD")}`));
    expect(await pinned(folder)).toBe(at(`rev=${await git("rev-parse", "HEAD")}`));
  });

  it("goes by what is asked for by hand before its own", async () => {
    const { uri, feature, head } = await repository();
    const at = (query: string) => `${uri}?${query}#${host}`;
    expect(await pinned(`${uri}?ref=light`, { ref: "feature/x" })).toBe(at(`ref=refs/heads/feature/x&rev=${feature}`));
    expect(await pinned(`${uri}?rev=${someRev}`, { ref: "HEAD" })).toBe(at(`rev=${head}`));
    expect(await pinned(`${uri}?rev=${someRev}`, { rev: head })).toBe(at(`rev=${head}`));
    expect(await refusal(uri, { rev: head, ref: "trunk" })).toBe("Pass a rev or a ref, not both.");
  });

  it.each([
    [`github:you/hosts/${someRev}`, `github:you/hosts/${someRev}`],
    [`github:you/hosts?rev=${someRev}&dir=a`, `github:you/hosts/${someRev}?dir=a`],
    [`git+https://git.invalid/hosts.git?rev=${someRev}`, `git+https://git.invalid/hosts.git?rev=${someRev}`],
    [`git+ssh://git@git.invalid/hosts?ref=x&rev=${someRev}`, `git+ssh://git@git.invalid/hosts?ref=x&rev=${someRev}`],
    [`git+file:///nowhere?rev=${someRev}`, `git+file:///nowhere?rev=${someRev}`],
  ])("with a rev is taken without asking: %s", async (uri, taken) => {
    vi.stubEnv("PATH", temporaryFolder()); // No git at all.
    expect(await pinned(uri)).toBe(`${taken}#${host}`);
  });

  it("at GitHub is asked for by https, with the commit in its path", async () => {
    const folder = temporaryFolder();
    const { head, feature } = await repository(join(folder, "you/hosts"));
    asGitHub(folder);
    expect(await pinned("github:you/hosts")).toBe(`github:you/hosts/${head}#${host}`);
    expect(await pinned("github:you/hosts/trunk?dir=a")).toBe(`github:you/hosts/${head}?dir=a#${host}`);
    expect(await pinned("github:you/hosts/feature/x")).toBe(`github:you/hosts/${feature}#${host}`);
    expect(await pinned("github:you/hosts?ref=feature/x")).toBe(`github:you/hosts/${feature}#${host}`);
    expect(await pinned(`github:you/hosts/${someRev}`, { ref: "trunk" })).toBe(`github:you/hosts/${head}#${host}`);
    expect(await refusal("github:you/hosts/v9")).toContain('has no branch or tag "v9". List them: git ls-remote');
  });

  it("hands GITHUB_TOKEN to git for github: alone, by environment", async () => {
    const folder = temporaryFolder();
    await repository(join(folder, "you/hosts"));
    asGitHub(folder);
    const bin = temporaryFolder();
    const seen = join(bin, "seen");
    const real = (await execa("sh", ["-c", "command -v git"])).stdout;
    const script = `#!/bin/sh\n{ tr '\\0' ' ' </proc/$$/cmdline; echo; env; } >${seen}\nexec ${real} "$@"\n`;
    writeFileSync(join(bin, "git"), script);
    chmodSync(join(bin, "git"), 0o755);
    vi.stubEnv("PATH", `${bin}${delimiter}${process.env["PATH"]}`);
    vi.stubEnv("GIT_CONFIG_COUNT", "1");
    vi.stubEnv("GIT_CONFIG_KEY_0", "core.abbrev");
    vi.stubEnv("GIT_CONFIG_VALUE_0", "12");
    const gitHubToken = "ghp_canary0123456789canary0123456789";
    const basic = Buffer.from(`x-access-token:${gitHubToken}`).toString("base64");
    const ask = async (flake: string) => {
      const layout = projectWith(flake);
      const { settings, local } = loadHost(layout, host, {});
      const answer = await resolveFlake(layout, settings, { ...local, githubToken: gitHubToken }).catch(String);
      const [argv = "", ...env] = readFileSync(seen, "utf8").split("\n");
      expect(argv + answer).not.toContain(basic);
      expect(argv + answer).not.toContain(gitHubToken);
      expect(argv).toContain("ls-remote");
      return { answer, env };
    };
    const { answer, env } = await ask("github:you/hosts");
    expect(answer).toMatch(/^github:you\/hosts\/[0-9a-f]{40}#/);
    // What a hook or another program has left in the shell is not handed on.
    expect(env).toContain("GIT_CONFIG_COUNT=5");
    expect(env.join()).not.toContain("core.abbrev");
    expect(env).toContain("GIT_CONFIG_KEY_1=http.https://github.com/.extraHeader");
    expect(env).toContain(`GIT_CONFIG_VALUE_1=Authorization: Basic ${basic}`);
    expect((await ask("github:you/other")).answer).toContain("GITHUB_TOKEN has expired or may not");
    const others = await ask("git+https://github.com/you/hosts");
    expect(others.env.join()).not.toContain(basic);
  });

  it("says what was asked, and what to do, where there is no answer", async () => {
    const empty = temporaryFolder();
    asGitHub(empty);
    expect(await refusal("github:you/hosts")).toMatch(
      /^Could not look up HEAD of the flake "github:you\/hosts": git ls-remote https:\/\/github\.com\/you\/hosts: ".+"\. .*GITHUB_TOKEN that may read it in \.clawdlets\/\.env\. Or name a commit, .*: github:you\/hosts\/<40 hex digits>$/,
    );
    expect(await refusal("git+https://github.com/you/hosts.git")).toContain("use github:you/hosts: GITHUB_TOKEN");
    expect(await refusal(`git+file://${empty}`)).toContain(`There must be a git repository at ${empty}.`);
    expect(await refusal("git+https://127.0.0.1:1/hosts?ref=x")).toMatch(
      /^Could not look up x of the flake .*Is this machine online.*git\+https:\/\/127\.0\.0\.1:1\/hosts\?rev=<40 hex digits>$/,
    );
    await gitIn(empty)("init", "--quiet");
    expect(await refusal(`git+file://${empty}`)).toContain("has no commit on its default branch");
    const { uri } = await repository();
    expect(await refusal(`${uri}?ref=x`)).toContain('has no branch or tag "x"'); // feature/x ends in it.
    expect(await refusal(`${uri}?ref=both`)).toContain("Use refs/heads/both or refs/tags/both.");
  });

  it.each([
    ["?rev=abc", 'rev is "abc"; allowed: a full commit, 40 hex digits'],
    [`?rev=${someRev.toUpperCase()}`, "allowed: a full commit"],
    [`?rev=${someRev}0`, "allowed: a full commit"],
    ["?ref=--upload-pack=x", "allowed: a branch or tag"],
    ["?ref=a..b", "allowed: a branch or tag"],
    ["?ref=*", "allowed: a branch or tag"],
    ["?ref=", "allowed: a branch or tag"],
  ])("refuses %s", async (query, message) => {
    expect(await refusal(`git+file:///nowhere${query}`)).toContain(message);
  });

  it.each([
    ["gitlab:you/hosts"],
    ["hosts"],
    ["https://example.org/x.tar.gz"],
    ["git+http://example.org/x"],
    ["git+file://host/x"],
    ["git+https:///x"],
    ["git+ext::sh -c x"],
    ["github:you"],
  ])("cannot be pinned as %s", async (uri) => {
    expect(await refusal(uri)).toMatch(/cannot be pinned to a commit by clawdlets\. Use github:owner\/repo/);
  });

  it.each([["git+https://me:s3cret@example.org/x"], ["git+https://s3cret@example.org/x"], ["git+ssh://me:s3cret@h/x"]])(
    "has no password in it: %s",
    async (uri) => {
      // By the settings, wherever they come from, and by anyone who resolves a flake that came another way.
      const fromStackFile = () => pinned(uri);
      const fromStackJson = () => resolved(project({ stack: { ...upstreamStack, base: { flake: uri } } }));
      const fromCaller = async () => {
        const layout = project();
        const { settings, local } = loadHost(layout, host, {});
        return resolveFlake(layout, { ...settings, flake: uri }, local);
      };
      for (const taken of [fromStackFile, fromStackJson, fromCaller]) {
        const message = await Promise.resolve()
          .then(taken)
          .then(
            (flake) => `taken: ${flake}`,
            (error: Error) => error.message,
          );
        expect(message).toContain("has a user, password or token in it");
        expect(message).not.toContain("s3cret");
      }
    },
  );
});

describe("a folder outside git", () => {
  const inside = (flake: (layout: Layout) => string) => {
    const layout = project();
    const { settings, local } = loadHost(layout, host, {});
    return resolveFlake(layout, { ...settings, flake: flake(layout) }, local);
  };
  const linkTo = (path: string) => {
    const link = join(temporaryFolder(), "link");
    symlinkSync(path, link);
    return link;
  };

  const leaky: [how: string, flake: (layout: Layout) => string][] = [
    ["by path:", ({ root }) => `path:${root}`],
    ["by path: with a query", ({ root }) => `path:${root}?dir=x`],
    ["by path://", ({ root }) => `path://${root}`],
    ["by its folder", ({ root }) => root],
    ["relative", () => "path:."],
    ["as nothing", () => "path:"],
    ["relative, upwards", ({ root }) => `path:../${basename(root)}`],
    ["with a part of it encoded", ({ root }) => `path:${root.replace("clawdlets", "cl%61wdlets")}`],
    ["by a link", ({ root }) => `path:${linkTo(root)}`],
    ["by a link without path:", ({ root }) => linkTo(root)],
    ["by a link in the way", ({ root }) => `path:${linkTo(dirname(root))}/${basename(root)}`],
    ["as a folder above it", ({ root }) => `path:${dirname(root)}`],
    ["as the root of everything", () => "path:/"],
    ["as .clawdlets itself", () => "path:.clawdlets"],
    ["as a folder in .clawdlets", ({ dir }) => (mkdirSync(join(dir, "secrets")), "path:.clawdlets/secrets")],
    [
      "as the home folder it is in",
      ({ root }) => {
        vi.stubEnv("HOME", root);
        return "~";
      },
    ],
    [
      "as path: in a git repository",
      ({ root }) => {
        mkdirSync(join(root, ".git"));
        return `path:${root}`;
      },
    ],
    [
      "with .clawdlets kept elsewhere",
      ({ dir }) => {
        const other = temporaryFolder();
        const layout = join(other, "flake/state");
        mkdirSync(layout, { recursive: true });
        execa; // The project's own folder is a link to it.
        return `path:${dir}`;
      },
    ],
  ];
  it.each(leaky)("is refused where Nix would copy .clawdlets into the store: %s", async (_, flake) => {
    await expect(inside(flake)).rejects.toThrow(
      /would be copied to \/nix\/store as a whole, including \S+ with its keys/,
    );
  });

  it("is refused with another project's .clawdlets anywhere below it, or around it", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "a/b/.clawdlets/c"), { recursive: true });
    for (const uri of [folder, `path:${folder}`, `path:${folder}/a/b/.clawdlets/c`]) {
      await expect(inside(() => uri)).rejects.toThrow(/would be copied to \/nix\/store as a whole/);
    }
    await expect(inside(() => `${folder}/x`)).rejects.toThrow(/is not a folder: there is none at/);
  });

  it("is taken as it is otherwise, by its real path", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "a b#c/nix"), { recursive: true });
    expect(existsSync(join(folder, "a b#c/nix"))).toBe(true);
    expect(await inside(() => folder)).toBe(`path:${folder}#${host}`);
    expect(await inside(() => `path:${linkTo(folder)}?dir=x`)).toBe(`path:${folder}?dir=x#${host}`);
    expect(await inside(() => `path:${folder}/a%20b%23c`)).toBe(`path:${folder}/a%20b%23c#${host}`);
    expect(await refusal(folder, { ref: "main" })).toContain("it has no revision to choose");
  });
});
