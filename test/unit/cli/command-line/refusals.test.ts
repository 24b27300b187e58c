import { describe, expect, it } from "vitest";
import { programFor, wholeProgram, withChildren } from "../../../../cli/program.ts";
import { UserError } from "../../../../core/base/errors.ts";

/** Reads a command line as `clawdlets` does, without running it. */
async function refusalOf(args: readonly string[]): Promise<UserError> {
  const program = await programFor(args);
  for (const command of withChildren(program)) {
    if (command.commands.length === 0) command.action(() => expect.fail(`${args.join(" ")} would run`));
    command.configureOutput({ writeErr: (text) => expect.fail(`commander said: ${text}`) });
  }
  const refusal = await program.parseAsync([...args], { from: "user" }).catch((error: unknown) => error);
  if (refusal instanceof UserError) return refusal;
  throw refusal;
}

describe("a command line that is wrong", () => {
  it.each([
    ["backup restore", "backup restore: needs <bot> (", "Examples: clawdlets backup restore --help"],
    ["operator handover", "operator handover: needs <name> (the operator it is for", "<file> (where to write it)."],
    ["operator handover bea", "operator handover: needs <file> (where to write it).", "--help"],
    ["operator add bea --age age1x", "operator add: needs --ssh-key <keys...> (", "operator add --help"],
    ["operator add", "operator add: needs <name> (how", ", --age <recipient> (their age recipient"],
    ["operator add bea --age", "--age: needs a value: their age recipient", "Examples: clawdlets operator add --help"],
    ["rebuild --deadline", "--deadline: needs a value: ", "Examples: clawdlets rebuild --help"],
    ["secrets rotate web-1", "secrets rotate: takes no arguments, but got 1.", "To name a host, pass --host NAME."],
    ["completion bash extra", "completion: takes only <shell>, but got 2.", "Examples: clawdlets completion --help"],
    ["vault export v --to a --passphrase", "--passphrase: cannot be combined with --to.", "Leave one of them out."],
    ["server logs --lins 3", "--lins: clawdlets server logs has no such option.", "Did you mean --lines? All options:"],
    ["destroy --yes=no", "--yes: takes no value.", "Examples: clawdlets destroy --help"],
    ["-x", "-x: clawdlets has no such option.", "All options: clawdlets --help"],
    ["statu", "statu: clawdlets has no such command.", "Did you mean status? All commands: clawdlets --help"],
    ["server frob", "frob: clawdlets server has no such command.", "All commands: clawdlets server --help"],
    ["help frob", "frob: clawdlets has no such command.", "All commands: clawdlets --help"],
    ["operator help frob", "frob: clawdlets operator has no such command.", "All commands: clawdlets operator --help"],
  ])("%s: %s", async (line, ...parts) => {
    const refusal = await refusalOf(line.split(" "));
    expect(refusal.exitCode).toBe(2);
    expect(refusal.problems.map(({ code }) => code)).toEqual(["usage"]);
    for (const part of parts) expect(refusal.message).toContain(part);
    expect(refusal.message).not.toMatch(/^error|'/);
  });

  it.each(["secrets edit name hunter2", "status --token=hunter2", "destroy --yes=hunter2", "lockdown hunter2"])(
    "does not repeat a value, which may be a secret: %s",
    async (line) => {
      const { message } = await refusalOf(line.split(" "));
      expect(message).not.toContain("hunter2");
    },
  );

  it("of any command names the command or the option, and its help", async () => {
    for (const command of withChildren(await wholeProgram()).filter(({ commands }) => commands.length === 0)) {
      const words: string[] = [];
      for (let each = command; each.parent; each = each.parent as typeof command) words.unshift(each.name());
      if (words[0] === "help") continue;
      const mandatory = command.options.filter((option) => option.mandatory);
      const required = mandatory.flatMap((option) => [option.long ?? "", option.argChoices?.[0] ?? "openai/x"]);
      const { message } = await refusalOf([...words, ...required, "--no-such-option"]);
      expect(message).toBe(
        `--no-such-option: clawdlets ${words.join(" ")} has no such option. All options: clawdlets ${words.join(" ")} --help`,
      );
    }
  });
});
