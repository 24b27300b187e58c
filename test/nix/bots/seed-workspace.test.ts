import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { path } from "../../_debian.ts";
import { describeWith } from "../../_needs.ts";
import { temporaryFolder } from "../../_project.ts";
import { repository } from "../../_repository.ts";

function bot() {
  const folder = temporaryFolder();
  const [workspace, documents] = [join(folder, "workspace"), join(folder, "documents")];
  mkdirSync(documents);
  for (const name of ["AGENTS.md", "With spaces.md"]) {
    writeFileSync(join(documents, name), `text of ${name}`);
    chmodSync(join(documents, name), 0o444); // As in the store.
  }
  const env = { PATH: path, WORKSPACE: workspace, DOCUMENTS: documents };
  const seed = async () =>
    await execa("bash", [join(repository, "nix/host/seed-workspace.sh")], { env, extendEnv: false });
  return { folder, workspace, documents, seed };
}

describeWith({ programs: ["bash"] }, "a bot's documents", () => {
  it.each(["absent", "empty"])("are copied into a workspace that is %s, and the bot may edit them", async (state) => {
    const { folder, workspace, seed } = bot();
    if (state === "empty") mkdirSync(workspace);
    await seed();
    expect(readdirSync(workspace).sort()).toEqual(["AGENTS.md", "With spaces.md"]);
    expect(statSync(join(workspace, "AGENTS.md")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(["documents", "workspace"]);
  });

  it("leave a workspace alone that has anything in it", async () => {
    const { workspace, seed } = bot();
    mkdirSync(workspace);
    writeFileSync(join(workspace, ".hidden"), "");
    await seed();
    expect(readdirSync(workspace)).toEqual([".hidden"]);
  });

  it("are not copied over what the bot has made of them", async () => {
    const { workspace, seed } = bot();
    await seed();
    writeFileSync(join(workspace, "AGENTS.md"), "mine");
    await seed();
    expect(readFileSync(join(workspace, "AGENTS.md"), "utf8")).toBe("mine");
  });

  it("are copied in whole after a crash in the middle", async () => {
    const { workspace, seed } = bot();
    mkdirSync(`${workspace}.new`);
    writeFileSync(join(`${workspace}.new`, "half"), "");
    await seed();
    expect(readdirSync(workspace).sort()).toEqual(["AGENTS.md", "With spaces.md"]);
  });

  it("may be none", async () => {
    const { workspace, documents, seed } = bot();
    await execa("sh", ["-c", `rm -f '${documents}'/*`]);
    await seed();
    expect(readdirSync(workspace)).toEqual([]);
  });
});
