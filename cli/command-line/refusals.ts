import type { Command, CommanderError, Option } from "commander";
import { type GivenProblem, UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { safeText } from "../../core/base/wording.ts";

/** `clawdlets server logs`. */
export const wordsOf = (command: Command): string =>
  command.parent ? `${wordsOf(command.parent as Command)} ${command.name()}` : command.name();

/** The same as a subject, after the program's own name: `server logs`. */
const subjectOf = (command: Command): string => wordsOf(command).replace(/^clawdlets /, "");

/** Where all options of a command are, with examples. */
export const seeHelp = (command: Command): string => `${wordsOf(command)} --help`;

/**
 * Refuses a command line in our words, not in commander's: what is missing, all of it at once, what is allowed, and what to type.
 * Values are not repeated: what is one too many may be a secret, which has no place on a command line.
 */
export function refuseInOurWords(command: Command): void {
  command.configureOutput({ outputError: () => undefined }).exitOverride((error) => {
    throw refusalOf(command, error) ?? error;
  });
  // "help x" shows the help of the group, as if x had not been typed.
  command.addHelpText("before", ({ error }) => {
    const [first, name] = command.args;
    const isUnknown = error && first === "help" && name !== undefined && !subcommands(command).includes(name);
    if (isUnknown) throw refused(unknownCommand(command, name));
    return "";
  });
}

const refused = (problem: GivenProblem) => new UserError(problem, { exitCode: exitCodes.usage });

/** @returns undefined for help and version, and where a group without a command has shown its help */
function refusalOf(command: Command, { code, exitCode, message }: CommanderError): UserError | undefined {
  if (exitCode === 0 || code === "commander.help") return undefined;
  const problem = refusals[code]?.(command, message);
  return refused(problem ?? { subject: "", problem: message.replace(/^error: /, ""), fix: seeHelp(command) });
}

/** By commander's code. Its message holds what it does not hand over otherwise: the option that it is about. */
const refusals: Readonly<Record<string, (command: Command, message: string) => GivenProblem | undefined>> = {
  "commander.missingArgument": missing,
  "commander.missingMandatoryOptionValue": missing,
  "commander.optionMissingArgument": (command, message) => {
    const option = optionsIn(command, message)[0];
    if (!option) return undefined;
    const problem = `needs a value: ${option.description}.`;
    return { subject: nameOf(option), problem, fix: `Examples: ${seeHelp(command)}` };
  },
  "commander.conflictingOption": (command, message) => {
    const [option, other] = optionsIn(command, message);
    if (!option || !other) return undefined;
    return {
      subject: nameOf(option),
      problem: `cannot be combined with ${nameOf(other)}.`,
      fix: "Leave one of them out.",
    };
  },
  "commander.excessArguments": (command) => {
    const expected = command.registeredArguments.map(bracketed);
    const takes = expected.length === 0 ? "takes no arguments" : `takes only ${expected.join(" ")}`;
    const hasHost = command.options.some(({ long }) => long === "--host");
    const fix =
      expected.length === 0 && hasHost ? "To name a host, pass --host NAME." : `Examples: ${seeHelp(command)}`;
    return { subject: subjectOf(command), problem: `${takes}, but got ${command.args.length}.`, fix };
  },
  "commander.unknownOption": (command, message) => {
    const [, typed = ""] = /^error: unknown option '([^']*)'/.exec(message) ?? [];
    const [name = ""] = typed.split("=");
    const known = command
      .createHelp()
      .visibleOptions(command)
      .flatMap(({ long }) => long ?? []);
    if (typed !== name && known.includes(name)) {
      return { subject: name, problem: "takes no value.", fix: `Examples: ${seeHelp(command)}` };
    }
    const problem = `${wordsOf(command)} has no such option.`;
    return { subject: safeText(name, 100), problem, fix: `${didYouMean(message)}All options: ${seeHelp(command)}` };
  },
  "commander.unknownCommand": (command, message) => unknownCommand(command, command.args[0] ?? "", message),
};

const subcommands = (command: Command) => command.commands.map((each) => each.name());

function unknownCommand(command: Command, name: string, message = ""): GivenProblem {
  const problem = `${wordsOf(command)} has no such command.`;
  return { subject: safeText(name, 100), problem, fix: `${didYouMean(message)}All commands: ${seeHelp(command)}` };
}

function missing(command: Command): GivenProblem {
  const absent = command.registeredArguments
    .filter(({ required }, index) => required && command.args[index] === undefined)
    .map((argument) => `${bracketed(argument)} (${argument.description})`);
  const options = command.options
    .filter((option) => option.mandatory && command.getOptionValue(option.attributeName()) === undefined)
    .map((option) => `${option.flags} (${option.description})`);
  const problem = `needs ${[...absent, ...options].join(", ")}.`;
  return { subject: subjectOf(command), problem, fix: `Examples: ${seeHelp(command)}` };
}

const bracketed = (argument: { name: () => string; variadic: boolean }) =>
  `<${argument.name()}${argument.variadic ? "..." : ""}>`;

/** Commander's suggestion. Ours would need a module more at each start. */
function didYouMean(message: string): string {
  const [suggestion] = /Did you mean .*?\?/.exec(message) ?? [];
  return suggestion === undefined ? "" : `${suggestion} `;
}

const nameOf = (option: Option) => option.long ?? option.flags;

/** The options whose flags commander quotes in a message, in its order. */
function optionsIn(command: Command, message: string): Option[] {
  const flags = [...message.matchAll(/option '([^']*)'/g)].map(([, each]) => each);
  return flags.flatMap((each) => command.options.find((option) => option.flags === each) ?? []);
}
