import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { exitCodes } from "../core/base/exit-codes.ts";
import { packageRoot } from "../core/base/machine/package-root.ts";
import { type CommandEntry, type CommandGroup, commands } from "./commands.ts";

/** Whether the command of these words, as `["secrets", "edit"]`, is to be loaded; of the others the overview is enough. */
type IsWanted = (words: readonly string[]) => boolean;

/**
 * The program for one command line, not yet run: the command that is asked for is loaded, all the others are outlines with a
 * name and a description.
 * @param args without `node` and `clawdlets`
 */
export function programFor(args: readonly string[]): Promise<Command> {
  const asked = askedFor(args, Object.assign({}, ...Object.values(commands))).join(" ");
  return build((words) => words.join(" ") === asked);
}

/** The program with every command loaded, for whoever lists their options. */
export const wholeProgram = (): Promise<Command> => build(() => true);

/** The words of the command that commander would run, or show the help of. */
function askedFor(args: readonly string[], among: Readonly<Record<string, CommandEntry | CommandGroup>>): string[] {
  // As commander does above the command itself, where no option is known but help: the first operand decides.
  const { operands, unknown } = new Command().parseOptions([...args]);
  const [name = "", ...others] = operands[0] === "help" ? operands.slice(1) : operands;
  if (!Object.hasOwn(among, name)) return [];
  const entry = among[name];
  return [name, ...(entry && "commands" in entry ? askedFor([...others, ...unknown], entry.commands) : [])];
}

async function build(isWanted: IsWanted): Promise<Command> {
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
  for (const [heading, entries] of Object.entries(commands)) {
    program.commandsGroup(heading);
    for (const [name, entry] of Object.entries(entries)) program.addCommand(await commandOf([name], entry, isWanted));
  }
  for (const command of withChildren(program)) command.exitOverride();
  return program;
}

async function commandOf(words: string[], entry: CommandEntry | CommandGroup, isWanted: IsWanted): Promise<Command> {
  const name = words.at(-1);
  if (!("commands" in entry)) {
    return (isWanted(words) ? await entry.load() : new Command(name)).description(entry.about);
  }
  const group = new Command(name).description(entry.about);
  for (const [child, each] of Object.entries(entry.commands)) {
    group.addCommand(await commandOf([...words, child], each, isWanted));
  }
  if (entry.before) group.hook("preAction", entry.before);
  return group;
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
