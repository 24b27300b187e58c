import { parse } from "just-bash";

/** A word's value where it is plain; `$` for what only a shell would know. */
type Argv = string[];

/** Values for what a page leaves to the reader. */
const placeholders: Readonly<Record<string, string>> = { commit: "0123456789abcdef0123456789abcdef01234567" };

/**
 * All simple commands in a piece of shell, those in pipes and `$(…)` too. What manuals write beside shell is taken as they mean it:
 * `[--option]` is given, `<name>` is replaced, `start|stop` is one command each, and a line of cron loses its times.
 * @throws Error of the shell's parser
 */
export function commandsIn(text: string): Argv[] {
  const lines = text.split("\n").flatMap((line) => expand(line));
  return collect(parse(lines.join("\n")));
}

function expand(line: string): string[] {
  const whole = line
    .replace(/^ *(?:[*\d/,-]+ +){5}/, "")
    .replace(/\[((?:-|\u2026)[^\]]*)\]/g, "$1")
    .replace(/<([a-z][a-z ]*)>/g, (_, name: string) => placeholders[name] ?? "placeholder");
  const [choice] = /(?<= )\w[\w-]*(?:\|\w[\w-]*)+(?= |$)/.exec(whole) ?? [];
  return choice === undefined ? [whole] : choice.split("|").map((each) => whole.replace(choice, each));
}

function collect(node: unknown): Argv[] {
  if (Array.isArray(node)) return node.flatMap(collect);
  if (typeof node !== "object" || node === null) return [];
  const below = Object.values(node).flatMap(collect);
  if (!("type" in node) || node.type !== "SimpleCommand" || !("name" in node) || node.name === null) return below;
  const { name, args } = node as unknown as { name: Word; args: Word[] };
  return [[name, ...args].map(textOf), ...below];
}

interface Word {
  parts: { type: string; value?: string; parts?: Word["parts"] }[];
}

const textOf = ({ parts }: Word): string =>
  parts.map((part) => part.value ?? (part.parts ? textOf({ parts: part.parts }) : "$")).join("");
