import { wholeProgram, withChildren } from "../../cli/program.ts";

/** Every command as it is typed, found by listing them: `server logs`; groups like `server` too. */
export async function everyCommand(): Promise<string[][]> {
  const program = await wholeProgram();
  const words = (command: (typeof program.commands)[number]): string[] =>
    command.parent ? [...words(command.parent as typeof command), command.name()] : [];
  return withChildren(program).map((command) => words(command as (typeof program.commands)[number]));
}
