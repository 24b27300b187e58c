import type { Command, Option } from "commander";

/** What may follow an option: one host, several as A,B, a file, one of some words, or something that only a person knows. */
export type Value = "host" | "hosts" | "file" | "text" | readonly string[];

export interface CompletedOption {
  /** As typed: `--host`, `-h`. */
  names: readonly string[];
  about: string;
  /** Undefined for an option that is only set. */
  value: Value | undefined;
}

/** One command, or a group of them, as the shells need it. */
export interface CompletedCommand {
  /** Words that lead to it: `secrets edit`; empty for the program itself. */
  path: string;
  children: readonly { name: string; about: string }[];
  options: readonly CompletedOption[];
  /** What its arguments are; undefined if it has none. */
  argument: Value | undefined;
}

/** Every command with its options, from the same commands that `--help` shows. */
export function completionTable(program: Command): CompletedCommand[] {
  return [program, ...program.commands.flatMap((command) => [command, ...command.commands])].map((command) => ({
    path: pathOf(command as Command, program),
    children: command.commands.map((child) => ({ name: child.name(), about: child.summary() })),
    options: [...command.options.filter(({ hidden }) => !hidden).map(optionOf), help],
    argument: command.commands.length > 0 ? undefined : argumentOf(command as Command),
  }));
}

const help: CompletedOption = { names: ["--help"], about: "show help", value: undefined };

function pathOf(command: Command, program: Command): string {
  if (command === program) return "";
  return command.parent === null || command.parent === program
    ? command.name()
    : `${command.parent.name()} ${command.name()}`;
}

/** Where nothing may be suggested, as for a new host's name, a suggestion of the others does no harm. */
function optionOf(option: Option): CompletedOption {
  const names = [option.long, option.short].filter((name) => typeof name === "string");
  const [, placeholder] = /[<[]([^>\]]+)[>\]]/.exec(option.flags) ?? [];
  return {
    names,
    about: option.description,
    value: placeholder === undefined ? undefined : valueKind(option, placeholder),
  };
}

const ofHosts: Readonly<Record<string, Value>> = { "--host": "host", "--canary": "host", "--stack": "host" };

function valueKind({ long, argChoices }: Option, placeholder: string): Value {
  if (argChoices) return argChoices;
  if (long === "--host" && placeholder === "names") return "hosts";
  return ofHosts[long ?? ""] ?? (/^(file|dir|folder|path)$/.test(placeholder) ? "file" : "text");
}

function argumentOf(command: Command): Value | undefined {
  const [first] = command.registeredArguments;
  if (!first) return undefined;
  if (first.argChoices) return first.argChoices;
  return first.name() === "host" ? "host" : first.name() === "paths" ? "file" : "text";
}
