import type { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, Help, InvalidArgumentError, type Option } from "commander";
import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { packageRoot } from "../core/base/machine/package-root.ts";
import { safeText } from "../core/base/wording.ts";
import { refuseInOurWords, seeHelp } from "./command-line/refusals.ts";
import { type CommandEntry, type CommandGroup, commands } from "./commands.ts";

/** Whether to load the command of these words, such as `["secrets", "edit"]`. The others need only their summary. */
type IsWanted = (words: readonly string[]) => boolean;

/**
 * The program for one command line, not yet run. Only the requested command is loaded; the others are stubs with a name and a
 * summary.
 * @param args without `node` and `clawdlets`
 */
export function programFor(args: readonly string[]): Promise<Command> {
  const asked = askedFor(args, Object.assign({}, ...Object.values(commands))).join(" ");
  // Completion lists the options of every command.
  return asked === "completion" ? wholeProgram() : build((words) => words.join(" ") === asked);
}

/** The program with every command loaded, for listing all options. */
export const wholeProgram = (): Promise<Command> => build(() => true);

/** The words of the command that commander would run or show help for. */
function askedFor(args: readonly string[], among: Readonly<Record<string, CommandEntry | CommandGroup>>): string[] {
  // The same rule as commander: above the command itself only --help is known, so the first operand decides.
  const { operands, unknown } = new Command().parseOptions([...args]);
  const [name = "", ...others] = operands[0] === "help" ? operands.slice(1) : operands;
  if (!Object.hasOwn(among, name)) return [];
  const entry = among[name];
  return [name, ...(entry && "commands" in entry ? askedFor([...others, ...unknown], entry.commands) : [])];
}

const sentence = (summary: string) => `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;

const codes = Object.entries(exitCodes).map(([name, code]) => `${code} ${name}`);

const afterHelp = `Exit codes: ${codes.slice(0, 7).join(", ")},
${codes.slice(7).join(", ")}.
COMMAND --help shows options and examples. Docs: ${packageRoot}/docs`;

/** The overview fits a screen: its last line says how to get help. */
const listed = (command: Command) => new Help().visibleCommands(command).filter((each) => each.name() !== "help");

async function build(isWanted: IsWanted): Promise<Command> {
  const program = new Command("clawdlets")
    .description("Hardened NixOS bot hosts on Hetzner Cloud")
    .addHelpText("after", afterHelp)
    .version(version(), "-V, --version", "show versions")
    .helpOption("-h, --help", "show help")
    .addHelpCommand(
      new Command("help").argument("[command]").description("show help for a command").helpGroup("Internal:"),
    )
    .configureHelp({ visibleCommands: listed })
    .showSuggestionAfterError();
  for (const [heading, entries] of Object.entries(commands)) {
    program.commandsGroup(heading);
    for (const [name, entry] of Object.entries(entries)) program.addCommand(await commandOf([name], entry, isWanted));
  }
  for (const command of withChildren(program)) {
    refuseInOurWords(command);
    refuseSecondValues(command);
    nameAllowedValues(command);
  }
  return program.hook("preAction", (_, command) => refuseEmptyPaths(command));
}

/**
 * Commander takes the last value: `destroy --host web-1 --host web-2` would destroy only web-2.
 * Throws UserError (usage) while the command line is read, before anything runs. The same value may be given again.
 */
function refuseSecondValues(command: Command): void {
  for (const option of command.options) {
    if (option.variadic || option.isBoolean()) continue;
    let before = "";
    // Before commander's own listener sets the value. Its types leave out that a Command is an EventEmitter.
    (command as Command & EventEmitter).prependListener(`option:${option.name()}`, (given: string | null) => {
      const value = given ?? "";
      const isSecond = command.getOptionValueSource(option.attributeName()) === "cli";
      if (isSecond && value !== before) throw secondValue(option, before, value);
      before = value;
    });
  }
}

function secondValue(option: Option, first: string, second: string): UserError {
  const name = `--${option.name()}`;
  const problem = `was given twice, as ${JSON.stringify(first)} and as ${JSON.stringify(second)}; it takes one value.`;
  const forHosts = option.flags.includes("<names>")
    ? `Separate them with a comma: ${name} ${first},${second}`
    : "Run the command once for each host.";
  const fix = option.name() === "host" ? forHosts : "Leave one of them out.";
  return new UserError({ subject: name, problem, fix }, { exitCode: exitCodes.usage });
}

/**
 * Refuses a value in our words, not in commander's. What reads a value throws an InvalidArgumentError that says only what is allowed.
 * @throws UserError (usage) that names the option or argument, while the command line is read
 */
function nameAllowedValues(command: Command): void {
  const all = [
    ...command.options.map((option) => ({ name: `--${option.name()}`, target: option })),
    ...command.registeredArguments.map((argument) => ({ name: argument.name(), target: argument })),
  ];
  for (const { name, target } of all) {
    const read = target.parseArg;
    if (!read) continue;
    target.parseArg = <T>(value: string, previous: T): T => {
      try {
        return read(value, previous);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        throw refusedValue(command, name, value, error.message);
      }
    };
  }
}

function refusedValue(command: Command, name: string, value: string, said: string): UserError {
  // Of commander's own choices().
  const allowed = said.replace(/^Allowed choices are (.*)\.$/, "$1");
  const problem = `is "${safeText(value, 100)}"; allowed: ${allowed}.`;
  const fix = `Examples: ${seeHelp(command)}`;
  return new UserError({ subject: name, problem, fix }, { exitCode: exitCodes.usage });
}

/** What may be typed, by the placeholder of an option or argument. */
const paths: Readonly<Record<string, string>> = {
  file: "the path of a file",
  dir: "the path of a folder",
  path: "the path of a file or folder",
  keys: "the path of a file, or the key itself",
};

/**
 * Node takes an empty path for the current folder: with an unset variable, `--data "$DIR"` would fill a repository.
 * @throws UserError (usage) that names the option or argument
 */
function refuseEmptyPaths(command: Command): void {
  const given = [
    ...command.options.map((option) => {
      const [, placeholder] = /[<[](\w+)/.exec(option.flags) ?? [];
      return { name: option.long ?? option.flags, placeholder, value: command.getOptionValue(option.attributeName()) };
    }),
    ...command.registeredArguments.map((argument, index) => {
      return { name: argument.name(), placeholder: argument.name(), value: command.processedArgs[index] };
    }),
  ];
  for (const { name, placeholder = "", value } of given) {
    const allowed = Object.hasOwn(paths, placeholder) ? paths[placeholder] : undefined;
    if (allowed === undefined || ![value].flat().includes("")) continue;
    const fix = "If you typed a variable, check that it is set.";
    throw new UserError({ subject: name, problem: `is ""; allowed: ${allowed}.`, fix }, { exitCode: exitCodes.usage });
  }
}

async function commandOf(words: string[], entry: CommandEntry | CommandGroup, isWanted: IsWanted): Promise<Command> {
  const name = words.at(-1);
  if (!("commands" in entry)) {
    const command = isWanted(words) ? await entry.load() : new Command(name);
    return command.summary(entry.summary).description(entry.about ?? sentence(entry.summary));
  }
  const group = new Command(name).summary(entry.summary).description(sentence(entry.summary));
  for (const [child, each] of Object.entries(entry.commands)) {
    group.addCommand(await commandOf([...words, child], each, isWanted));
  }
  if (entry.before) group.hook("preAction", entry.before);
  return group;
}

/** For bug reports. */
function version(): string {
  const own = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")).version;
  return `clawdlets ${own} (node ${process.version}, ${process.platform} ${process.arch})`;
}

/** A command and all its subcommands. */
export function withChildren(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => withChildren(child as Command))];
}
