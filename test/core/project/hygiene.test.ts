import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { writePrivateFile } from "../../../core/base/machine/private-files.ts";
import { problemSentence } from "../../../core/base/problem.ts";
import { checkLocalFolder } from "../../../core/project/hygiene.ts";
import type { Layout } from "../../../core/project/layout.ts";
import { temporaryFolder } from "../../_project.ts";
import { makeProject } from "./secrets/_lab.ts";

const git = (layout: Layout, ...args: string[]) =>
  execa("git", ["-c", "user.name=t", "-c", "user.email=t@t.invalid", ...args], { cwd: layout.root });

async function repository(ignored = ".clawdlets/\n"): Promise<Layout> {
  const layout = makeProject(join(temporaryFolder(), "project"), [{ name: "web-1" }]);
  chmodSync(layout.stackJson, 0o600);
  await writePrivateFile(join(layout.secrets, "hosts", "web-1.agekey"), "key\n");
  await git(layout, "init", "--quiet");
  writeFileSync(join(layout.root, ".gitignore"), ignored);
  return layout;
}

/** Types the command at the end of a fix. */
const follow = (layout: Layout, fix = "") => {
  const command = /.*: ([a-z]+ .+?)(, then|$)/s.exec(fix)?.[1] ?? "exit 1";
  return execa("sh", ["-c", command.replace("git commit", "true")], { cwd: layout.root });
};

describe("a .clawdlets that is as it should be", () => {
  it("has no problem, in a repository and outside of one", async () => {
    const layout = await repository();
    expect(await checkLocalFolder(layout)).toEqual([]);
    rmSync(join(layout.root, ".git"), { recursive: true });
    expect(await checkLocalFolder(layout)).toEqual([]);
  });

  it.each([".clawdlets/", ".clawdlets", "/.clawdlets/", ".claw*", "*"])("is ignored by the line %s", async (line) => {
    expect(await checkLocalFolder(await repository(`${line}\n`))).toEqual([]);
  });

  it("may hold links that stay inside", async () => {
    const layout = await repository();
    symlinkSync("hosts/web-1.agekey", join(layout.secrets, "link"));
    expect(await checkLocalFolder(layout)).toEqual([]);
  });
});

describe("refuses, with a command that fixes it", () => {
  const cases: [string, (layout: Layout) => unknown, RegExp][] = [
    ["a folder others may enter", (l) => chmodSync(l.dir, 0o750), /others on this machine can read it\. Restrict it/],
    [
      "an identity others may read",
      (l) => chmodSync(join(l.secrets, "hosts", "web-1.agekey"), 0o640),
      /can read \.clawdlets\/secrets\/hosts\/web-1\.agekey\. Restrict it/,
    ],
    [
      "a repository that does not ignore it",
      (l) => writeFileSync(join(l.root, ".gitignore"), ""),
      /does not ignore it/,
    ],
    [
      "an exception that lets it back in",
      (l) => writeFileSync(join(l.root, ".gitignore"), ".clawdlets/*\n!.clawdlets/secrets\n"),
      /does not ignore it/,
    ],
    [
      "a file that git tracks though it is ignored",
      (l) => git(l, "add", "--force", ".clawdlets/secrets/hosts/web-1.agekey"),
      /git tracks \.clawdlets\/secrets\/hosts\/web-1\.agekey/,
    ],
    [
      "a link out of the folder",
      (l) => symlinkSync("/etc/passwd", join(l.secrets, "hosts", "web-1.pub")),
      /is a link that leads out of \.clawdlets/,
    ],
    [
      "a link to nothing, which a write would follow",
      (l) => symlinkSync("/tmp/nothing-here", join(l.dir, "passphrase")),
      /is a link that leads out/,
    ],
  ];
  it.each(cases)("%s", async (_, spoil, reason) => {
    const layout = await repository();
    await spoil(layout);
    const [problem, ...others] = await checkLocalFolder(layout);
    expect(others).toEqual([]);
    expect(problem && problemSentence(problem)).toMatch(reason);
    if (problem?.setting === "link") rmSync(join(layout.root, problem.subject));
    else await follow(layout, problem?.fix);
    expect(await checkLocalFolder(layout)).toEqual([]);
  });

  it("a .clawdlets that is a link itself", async () => {
    const layout = await repository();
    const elsewhere = join(temporaryFolder(), "elsewhere");
    renameSync(layout.dir, elsewhere);
    symlinkSync(elsewhere, layout.dir);
    expect((await checkLocalFolder(layout))[0]?.problem).toMatch(/is not a folder of this project/);
  });

  it("to write through a link, whatever stands behind it", async () => {
    const layout = await repository();
    const outside = join(temporaryFolder(), "outside");
    writeFileSync(outside, "mine\n");
    symlinkSync(outside, layout.passphrase);
    await expect(writePrivateFile(layout.passphrase, "secret")).rejects.toThrow(/not a plain file/);
  });

  it("does not take a folder in the way of git for one that is fine", async () => {
    const layout = await repository();
    rmSync(join(layout.root, ".git"), { recursive: true });
    mkdirSync(join(layout.root, ".git"));
    expect((await checkLocalFolder(layout))[0]?.problem).toMatch(/git could not check/);
  });
});
