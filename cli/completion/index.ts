import { Argument, Command } from "commander";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { completionTable } from "./table.ts";
import { zshCompletion } from "./zsh.ts";

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
const shells = Object.keys(scripts) as (keyof typeof scripts)[];

/** `clawdlets completion`: a script that completes commands, options and host names. `program.ts` loads every command for it. */
export function completionCommand(): Command {
  return new Command("completion")
    .addArgument(new Argument("<shell>", "the shell that loads the script").choices(shells))
    .addHelpText(
      "after",
      `
Host names come from stacks/ of the project that you are in.

Examples:
  clawdlets completion bash > ~/.local/share/bash-completion/completions/clawdlets
  clawdlets completion zsh > ~/.zfunc/_clawdlets
  clawdlets completion fish > ~/.config/fish/completions/clawdlets.fish

zsh needs "fpath+=(~/.zfunc); autoload -Uz compinit && compinit" in ~/.zshrc.
`,
    )
    .action((shell: keyof typeof scripts, _options: object, command: Command) => {
      const table = completionTable(command.parent as Command);
      process.stdout.write(scripts[shell](table));
    });
}
