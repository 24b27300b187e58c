import { type Command, CommanderError } from "commander";
import { programFor, wholeProgram, withChildren } from "../../cli/program.ts";
import { UserError } from "../../core/base/errors.ts";

/**
 * Whether the real program takes a command line: its commands, options, their values and arguments, and which exclude each other.
 * Nothing is run.
 * @param args without `clawdlets`
 * @returns what it says against it
 */
export async function refusalOf(args: readonly string[]): Promise<string | undefined> {
  const program = await programFor(args);
  const said: string[] = [];
  const reached: string[] = [];
  for (const command of withChildren(program)) {
    command.configureOutput({ writeOut: () => undefined, writeErr: (text) => void said.push(text) });
    if (hasAction(command)) command.action(() => void reached.push(command.name()));
  }
  try {
    await program.parseAsync([...args], { from: "user" });
    return reached.length > 0 ? undefined : "nothing would be run";
  } catch (error) {
    if (error instanceof UserError) return error.message;
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return undefined;
    return said.join("").trim() || error.message;
  }
}

/** Whether a text names a command, or a group of them, and says nothing of how it is run: "`clawdlets window` opens …". */
export async function isName(text: string): Promise<boolean> {
  const [, ...words] = text.replace(/^npx --no-install /, "").split(" ");
  let command: Command | undefined = await wholeProgram();
  for (const word of words) command = command?.commands.find((each) => each.name() === word) as Command | undefined;
  return command !== undefined;
}

const hasAction = (command: Command) => "_actionHandler" in command && command._actionHandler !== null;

/** The lines below "Examples:" of every command's `--help`. */
export async function helpExamples(): Promise<{ command: string; line: string }[]> {
  return withChildren(await wholeProgram()).flatMap((command) => {
    const help: string[] = [];
    command.configureOutput({ writeOut: (text) => void help.push(text) }).outputHelp();
    const [, examples = ""] = /\nExamples:\n((?: {2}.+\n?)+)/.exec(help.join("")) ?? [];
    return examples
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => ({ command: command.name(), line }));
  });
}
