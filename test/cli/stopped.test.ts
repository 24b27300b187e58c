import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { project, publicKey } from "../_project.ts";
import { repository } from "../_repository.ts";
import { onTerminal } from "./_terminal.ts";

const clawdlets = join(repository, "bin", "clawdlets");
const ctrlC = "\u0003";

it("Ctrl-C at the first question of init says that nothing was written", async () => {
  const { root, dir } = project({ stack: null, stackFile: null });
  const { screen, exitCode } = await onTerminal(`${clawdlets} init`, [["Name of the host", ctrlC]], { cwd: root });
  expect(screen).toContain("Stopped at a question. Nothing was written.");
  expect(exitCode).toBe(130);
  expect(existsSync(join(dir, "stack.json"))).toBe(false);
}, 60_000);

it("Ctrl-C at a secret names the files that were written before, which are there", async () => {
  const { root } = project({ stack: null, stackFile: null });
  writeFileSync(join(root, "key.pub"), `${publicKey}\n`);
  const line = `${clawdlets} init --host web-1 --admin-cidr 203.0.113.7/32 --ssh-pubkey key.pub --bots maren`;
  const { screen, exitCode } = await onTerminal(
    line,
    [
      ["Flake with the host", "\r"],
      ["changes the running host later", "\r"],
      ["Admin password", ctrlC],
    ],
    { cwd: root },
  );
  expect(exitCode, screen).toBe(130);
  const said = screen.replace(/\s+/g, " ");
  const files = /files were written before, and stay: (.*?)\. Run the same command again/.exec(said)?.[1]?.split(", ");
  expect(files).toContain(".clawdlets/stack.json");
  expect(files).toContain("stacks/Pulumi.web-1.yaml");
  expect(files?.filter((file) => !existsSync(join(root, file)))).toEqual([]);
}, 60_000);

it.each([
  ["Ctrl-C", ctrlC],
  ["the end of the input", "\u0004"],
])(
  "%s where destroy asks for the name ends with 130 and destroys nothing",
  async (_, key) => {
    const { root } = project();
    const { screen, exitCode } = await onTerminal(`${clawdlets} destroy`, [["Type the host's name", key]], {
      cwd: root,
    });
    expect(screen).toContain("Stopped at a question. Nothing was written.");
    expect(exitCode).toBe(130);
  },
  60_000,
);
