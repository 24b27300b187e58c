import { Command } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { makePrivateFolder } from "../../core/base/machine/private-files.ts";
import { shellQuoted } from "../../core/base/wording.ts";
import { findLayout, type Layout } from "../../core/project/layout.ts";
import { fileDecides } from "../../core/project/settings/env-file.ts";
import { listStackFiles } from "../../core/project/settings/stack-file.ts";
import { readProjectFile } from "../../core/project/state/project-file.ts";
import { listStates } from "../../core/project/state/state.ts";
import { engineOrSetUp, foreignKeys, shellEnvironment } from "../../engine/environment.ts";
import { brokenState } from "../../engine/recovery/good-state.ts";

/**
 * The stack that `pulumi` works on, where stacks are hosts. Elsewhere it is the one that was chosen with `pulumi stack`: naming
 * another here would go before it.
 */
function stackOf(layout: Layout, named: string | undefined): string | undefined {
  if (readProjectFile(layout).stacksAreHosts) {
    const hosts = listStackFiles(layout);
    return named ?? (hosts.length === 1 ? hosts[0] : undefined);
  }
  if (named === undefined) return undefined;
  throw new UserError(
    `--host: this project's stacks are not hosts (Pulumi.yaml has no "stackConfigDir: stacks"). Leave it out, and choose with: pulumi stack select`,
    { exitCode: exitCodes.usage },
  );
}

/** `clawdlets env`: what a shell needs to run `pulumi` by hand in the project. */
export function envCommand(): Command {
  return new Command("env")
    .option("--host <name>", "the stack for pulumi; optional if there is only one")
    .option("--show-secrets", "print tokens even on a terminal")
    .addHelpText("after", '\nExamples:\n  eval "$(npx --no-install clawdlets env)" && pulumi preview\n')
    .action(async (options: { host?: string; showSecrets?: boolean }) => {
      const layout = findLayout(process.cwd());
      const engine = await engineOrSetUp((text) => process.stderr.write(`${text}\n`));
      makePrivateFolder(layout.state);
      const host = stackOf(layout, options.host);
      for (const each of host === undefined ? listStates(layout) : [host]) {
        const broken = brokenState(layout, each);
        if (broken !== undefined) process.stderr.write(`clawdlets: ${broken}\n`);
      }
      const variables = { ...shellEnvironment(layout, engine), ...(host !== undefined && { PULUMI_STACK: host }) };
      // The engine takes these before the file that we name, and before Pulumi.yaml.
      const { backend } = readProjectFile(layout);
      const foreign = [...(backend === undefined ? [] : foreignKeys), ...fileDecides].filter(
        (key) => process.env[key] !== undefined && !Object.hasOwn(variables, key),
      );
      if (foreign.length > 0) process.stdout.write(`unset ${foreign.join(" ")}\n`);
      const hide = process.stdout.isTTY && !options.showSecrets;
      for (const [name, value] of Object.entries(variables)) {
        const shown = hide && name.endsWith("_TOKEN") ? "(not shown on a terminal)" : value;
        process.stdout.write(`export ${name}=${shellQuoted(shown)}\n`);
      }
    });
}
