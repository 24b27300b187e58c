import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { flakeOfOrigin, resolveFlake } from "../../../core/bootstrap/flake.ts";
import { loadHost } from "../../../core/settings/host.ts";
import { project, stackFile } from "../../_project.ts";

const host = "clawdbot-fleet-host";

describe("the flake of an origin", () => {
  it.each([
    ["https://github.com/you/hosts.git", "github:you/hosts"],
    ["https://github.com/you/hosts", "github:you/hosts"],
    ["git@github.com:you/hosts.git", "github:you/hosts"],
    ["ssh://git@github.com/you/hosts.git", "github:you/hosts"],
    ["https://git.example.com/you/hosts.git", "git+https://git.example.com/you/hosts.git"],
    ["git@git.example.com:you/hosts.git", "git+ssh://git@git.example.com/you/hosts.git"],
    ["/srv/git/hosts.git", undefined],
    ["", undefined],
  ])("%s is %s", (origin, flake) => expect(flakeOfOrigin(origin)).toBe(flake));
});

describe("the flake that is installed", () => {
  const resolved = async (layout: ReturnType<typeof project>) => {
    const { settings, local } = loadHost(layout, host, {});
    return resolveFlake(layout, settings, local);
  };
  const named = (uri: string) => project({ stackFile: `${stackFile}  clawdlets:flake: "${uri}"\n` });

  it("is refused when Nix would copy .clawdlets into the store", async () => {
    const layout = project();
    const { settings, local } = loadHost(layout, host, {});
    const withPath = (flake: string) => resolveFlake(layout, { ...settings, flake }, local);
    await expect(withPath(`path:${layout.root}`)).rejects.toThrow(/copied whole into \/nix\/store/);
    await expect(withPath(layout.root)).rejects.toThrow(/copied whole into \/nix\/store/);
    mkdirSync(join(layout.root, ".git"));
    await expect(withPath(`path:${layout.root}`)).rejects.toThrow(/copied whole into \/nix\/store/);
    expect(await withPath(`git+file://${layout.root}`)).toBe(`git+file://${layout.root}#${host}`);
  });

  it("has the attribute of the host and no other", async () => {
    expect(await resolved(named("github:you/hosts"))).toBe(`github:you/hosts#${host}`);
    await expect(resolved(named("github:you/hosts#other"))).rejects.toThrow(/names the attribute "other"/);
  });

  it("is the repository itself, pinned to a commit that has the stack file", async () => {
    const layout = project();
    const git = (...args: string[]) =>
      execa("git", ["-c", "user.name=t", "-c", "user.email=t@example.invalid", ...args], { cwd: layout.root });
    await git("init", "--quiet");
    await expect(resolved(layout)).rejects.toThrow(/has no git commit/);
    await git("commit", "--quiet", "--allow-empty", "-m", "empty");
    await expect(resolved(layout)).rejects.toThrow(/is not committed, and the flake sees commits only\. Mend: git add/);
    await git("add", "stacks");
    await git("commit", "--quiet", "-m", "stack");
    const { stdout: rev } = await git("rev-parse", "HEAD");
    expect(await resolved(layout)).toBe(`git+file://${layout.root}?rev=${rev}#${host}`);
  });
});
