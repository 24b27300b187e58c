import { Command } from "commander";
import { exitCodes } from "../core/exit-codes.ts";

/** Each command is loaded when it is asked for: `install` should not wait for the engine's library. */
const commands: Record<string, () => Promise<Command>> = {
  demo: async () => (await import("./demo.ts")).demoCommand(),
  init: async () => (await import("./init.ts")).initCommand(),
  secrets: async () => (await import("./secrets/index.ts")).secretsCommand(),
  up: async () => (await import("./up.ts")).upCommand(),
  preview: async () => (await import("./preview.ts")).previewCommand(),
  adopt: async () => (await import("./adopt.ts")).adoptCommand(),
  destroy: async () => (await import("./destroy.ts")).destroyCommand(),
  lockdown: async () => (await import("./lockdown.ts")).lockdownCommand(),
  status: async () => (await import("./status.ts")).statusCommand(),
  verify: async () => (await import("./verify.ts")).verifyCommand(),
  rebuild: async () => (await import("./rebuild.ts")).rebuildCommand(),
  server: async () => (await import("./server/index.ts")).serverCommand(),
  ssh: async () => (await import("./ssh.ts")).sshCommand(),
  doctor: async () => (await import("./doctor.ts")).doctorCommand(),
  window: async () => (await import("./window.ts")).windowCommand(),
  logs: async () => (await import("./logs.ts")).logsCommand(),
  env: async () => (await import("./env.ts")).envCommand(),
  emulator: async () => (await import("./emulator.ts")).emulatorCommand,
  install: async () => (await import("./install.ts")).installCommand(),
};

/** The program with one of its commands, or with all where that one is none of them; in no way begun. */
export async function programFor(asked: string): Promise<Command> {
  const program = new Command("clawdlets")
    .description("Hardened NixOS bot hosts on Hetzner Cloud")
    .addHelpText(
      "after",
      `\nExit codes: ${Object.entries(exitCodes)
        .map(([name, code]) => `${code} ${name}`)
        .join(", ")}\n`,
    )
    .showSuggestionAfterError();
  const wanted = commands[asked] ? [asked] : Object.keys(commands);
  for (const name of wanted) program.addCommand((await commands[name]?.()) ?? new Command(name));
  for (const command of withChildren(program)) command.exitOverride();
  return program;
}

/** A command and all below it. */
export function withChildren(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => withChildren(child as Command))];
}
