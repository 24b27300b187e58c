import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { wholeProgram, withChildren } from "../../cli/program.ts";
import { repository } from "../_repository.ts";
import { helpExamples } from "../docs/_clawdlets.ts";

const clawdlets = (...args: string[]) => execa(join(repository, "bin", "clawdlets"), args, { reject: false });
const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));

describe("clawdlets", () => {
  it("prints its version and the platform", async () => {
    const { stdout, exitCode } = await clawdlets("--version");
    expect(stdout).toBe(`clawdlets ${version} (node ${process.version}, ${process.platform} ${process.arch})`);
    expect(exitCode).toBe(0);
  });

  it("lists each command in a group, and links to pages that exist", async () => {
    const program = await wholeProgram();
    const help = (await clawdlets("--help")).stdout;
    for (const command of program.commands) {
      expect(command.helpGroup(), command.name()).toMatch(/^[A-Z].*:$/);
      expect(help).toMatch(new RegExp(`^  ${command.name()}\\b`, "m"));
    }
    const pages = /Docs: (\S+)$/m.exec(help)?.slice(1) ?? [];
    expect(pages.map((page) => existsSync(page))).toEqual([true]);
  });

  it("fits its help on one screen, with one line per command", async () => {
    const help = (await clawdlets("--help")).stdout.split("\n");
    const link = /^Docs: /; // As long as the folder of the installation.
    expect(help.filter((line) => line.length > 80 && !link.test(line))).toEqual([]);
    expect(help.length).toBeLessThanOrEqual(50);
    const program = await wholeProgram();
    const lines = help.filter((line) => /^ {2}[a-z]/.test(line) && !/^ {2}\d/.test(line));
    for (const command of program.commands) {
      expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^  ${command.name()} +${command.summary()[0]}`)));
    }
  });

  it("shows examples in the help of every command", async () => {
    const examples = new Set((await helpExamples()).map(({ command }) => command));
    const runnable = withChildren(await wholeProgram()).filter(({ commands }) => commands.length === 0);
    expect(runnable.map((command) => command.name()).filter((name) => !examples.has(name))).toEqual([]);
  });

  it("suggests the right name for an unknown command", async () => {
    const { exitCode, stderr } = await clawdlets("verfy");
    expect(stderr).toContain(
      "verfy: clawdlets has no such command. Did you mean verify? All commands: clawdlets --help",
    );
    expect(exitCode).toBe(2);
  });
});
