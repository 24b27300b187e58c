import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { wholeProgram } from "../../cli/program.ts";
import { repository } from "../_repository.ts";

const clawdlets = (...args: string[]) => execa(join(repository, "bin", "clawdlets"), args, { reject: false });
const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));

describe("clawdlets", () => {
  it("says its version, and what it runs on", async () => {
    const { stdout, exitCode } = await clawdlets("--version");
    expect(stdout).toBe(`clawdlets ${version} (node ${process.version}, ${process.platform} ${process.arch})`);
    expect(exitCode).toBe(0);
  });

  it("shows each command in a group, and pages that are there", async () => {
    const program = await wholeProgram();
    const help = (await clawdlets("--help")).stdout;
    for (const command of program.commands) {
      expect(command.helpGroup(), command.name()).toMatch(/^[A-Z].*:$/);
      expect(help).toMatch(new RegExp(`^  ${command.name()}\\b`, "m"));
    }
    const pages = /Pages: (\S+) and (\S+)\.$/m.exec(help)?.slice(1) ?? [];
    expect(pages.map((page) => existsSync(page))).toEqual([true, true]);
  });

  it("exits with 2 and names what was meant for a command that is none", async () => {
    const { exitCode, stderr } = await clawdlets("verfy");
    expect(stderr).toContain("(Did you mean verify?)");
    expect(exitCode).toBe(2);
  });
});
