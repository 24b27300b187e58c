import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { exitCodes } from "../core/base/exit-codes.ts";
import { packageRoot } from "../core/base/machine/package-root.ts";

type Load = () => Promise<Command>;

/** Each command is loaded when it is asked for: `install` should not wait for the engine's library. */
const groups: Readonly<Record<string, Readonly<Record<string, Load>>>> = {
  "Begin:": {
    demo: async () => (await import("./demo/index.ts")).demoCommand(),
    init: async () => (await import("./init.ts")).initCommand(),
    secrets: async () => (await import("./secrets/index.ts")).secretsCommand(),
    adopt: async () => (await import("./adopt.ts")).adoptCommand(),
  },
  "Hosts as they are declared:": {
    preview: async () => (await import("./preview.ts")).previewCommand(),
    up: async () => (await import("./up.ts")).upCommand(),
    verify: async () => (await import("./verify.ts")).verifyCommand(),
    status: async () => (await import("./status.ts")).statusCommand(),
    destroy: async () => (await import("./destroy.ts")).destroyCommand(),
  },
  "Running hosts:": {
    rebuild: async () => (await import("./rebuild.ts")).rebuildCommand(),
    server: async () => (await import("./server/index.ts")).serverCommand(),
    ssh: async () => (await import("./ssh.ts")).sshCommand(),
  },
  "When something is wrong:": {
    lockdown: async () => (await import("./lockdown.ts")).lockdownCommand(),
    doctor: async () => (await import("./doctor.ts")).doctorCommand(),
    window: async () => (await import("./window.ts")).windowCommand(),
    logs: async () => (await import("./logs.ts")).logsCommand(),
  },
  "Behind the others:": {
    env: async () => (await import("./env.ts")).envCommand(),
    emulator: async () => (await import("./emulator.ts")).emulatorCommand,
    install: async () => (await import("./install.ts")).installCommand(),
  },
};

/** The program with one of its commands, or with all where that one is none of them; in no way begun. */
export async function programFor(asked: string): Promise<Command> {
  const program = new Command("clawdlets")
    .description("Hardened NixOS bot hosts on Hetzner Cloud")
    .addHelpText(
      "after",
      `\nExit codes: ${Object.entries(exitCodes)
        .map(([name, code]) => `${code} ${name}`)
        .join(
          ", ",
        )}; 130 stopped by Ctrl-C, 143 by SIGTERM.\nResults are on standard output, progress on standard error. With --json a result is one object, and a refusal\n{"ok": false, "exitCode": …, "problems": [{"message", "where"?, "setting"?}]}.\n\nEach command has its own --help, with examples. Pages: ${packageRoot}/README.md and ${packageRoot}/docs.\n`,
    )
    .version(version(), "-V, --version", "this version, and what it runs on")
    .showSuggestionAfterError();
  const isOne = Object.values(groups).some((commands) => Object.hasOwn(commands, asked));
  for (const [heading, commands] of Object.entries(groups)) {
    program.commandsGroup(heading);
    const wanted = Object.entries(commands).filter(([name]) => !isOne || name === asked);
    for (const [, load] of wanted) program.addCommand(await load());
  }
  for (const command of withChildren(program)) command.exitOverride();
  return program;
}

/** For a report of something that does not work. */
function version(): string {
  const own = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")).version;
  return `clawdlets ${own} (node ${process.version}, ${process.platform} ${process.arch})`;
}

/** A command and all below it. */
export function withChildren(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => withChildren(child as Command))];
}
