import { Command } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { tagsOf } from "../../core/host/tailnet/auth-key.ts";
import { policyFor } from "../../core/host/tailnet/policy.ts";
import { findLayout } from "../../core/project/layout.ts";
import { loadHost } from "../../core/project/settings/host.ts";
import { chooseHost, hostOption } from "../shared/choose.ts";
import { jsonOption, printJson } from "../shared/output.ts";

/** `clawdlets tailnet policy`: rules to paste into the control server. */
export function policyCommand(): Command {
  return new Command("policy")
    .option(...hostOption)
    .option("--admin <who...>", "who may log in; default on Tailscale: autogroup:admin")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nPrints; changes nothing. Merge it into your own policy: rules that you have already may allow more.\n\nExamples:\n  clawdlets tailnet policy --host web-1\n  clawdlets tailnet policy --host web-1 --admin you@example.com\n",
    )
    .action((options: { host?: string; admin?: string[]; json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const { settings } = loadHost(layout, host, process.env, { token: false });
      if (settings.tailnet === "none") {
        const problem = 'clawdlets:tailnet is "none", so this host needs no rules.';
        throw new UserError({ subject: host, problem }, { exitCode: exitCodes.settings });
      }
      const policy = policyFor(settings.tailnet, tagsOf(settings), options.admin ?? []);
      if (options.json) printJson({ ok: true, host, tailnet: settings.tailnet, policy });
      else process.stdout.write(`${JSON.stringify(policy, null, 2)}\n`);
    });
}
