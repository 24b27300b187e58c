import { Command } from "commander";
import { editSecret } from "../../core/tasks/secrets/edit.ts";
import { askSecret, canAsk } from "../shared/ask.ts";
import { hostOption } from "../shared/choose.ts";
import { editText } from "../shared/editor.ts";
import { forHost } from "../shared/host-secrets.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { readValue } from "../shared/values.ts";

interface Options {
  host?: string;
  ask?: boolean;
  json?: boolean;
}

/** `clawdlets secrets edit NAME`: another value for one secret. */
export function editCommand(): Command {
  return new Command("edit")
    .argument("<name>", "the secret, e.g. discord_token_maren")
    .option(...hostOption)
    .option("--ask", "ask for the new value without echo, and do not show the old one; an admin password is hashed")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nStandard input is used as it is, without one final newline.\n\nExamples:\n  clawdlets secrets edit discord_token_maren --host web-1\n  pass show tailscale | clawdlets secrets edit tailscale_auth_key --host web-1\n",
    )
    .action(async (name: string, options: Options) => {
      const { host, store, required } = await forHost(options.host);
      const secret = required.find((each) => each.name === name);
      const isHash = secret?.kind === "password-hash";
      const change = async (old: string | undefined) => {
        if (!canAsk()) return readValue("the new value");
        // Nobody edits a hash; what people have is the password.
        if (secret && (options.ask || isHash)) return askSecret(secret);
        return editText(old ?? "");
      };
      const changed = await editSecret({ store, required, name, change });
      resultLines(options.json)(
        changed
          ? `${name}: changed on this machine. Send it to the running host: clawdlets secrets sync --host ${host}`
          : `${name}: already has that value`,
      );
      print(options.json, { ok: true, host, name, changed });
    });
}
