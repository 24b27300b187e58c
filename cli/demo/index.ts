import { Command } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { startProgress } from "../../engine/progress.ts";
import { destroy } from "../destroy.ts";
import { prepareDemo } from "./prepare.ts";
import { type DemoResult, runDemo } from "./run.ts";

/** `clawdlets demo`, which is `npm start`: the whole main job on the embedded Hetzner. */
export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "from nothing to a locked-down host on the embedded Hetzner: no account, no cost, everything in .demo/",
    )
    .option("--destroy", "take the demo's host down again")
    .option("--json", "the result as one JSON object, the last line on stdout")
    .addHelpText("after", "\nExamples:\n  npm start\n  npm start -- --json\n  npm start -- --destroy\n")
    .action(async (options: { destroy?: boolean; json?: boolean }) => {
      const progress = startProgress();
      const demo = await prepareDemo(progress);
      try {
        if (options.destroy) {
          await destroy(demo.layout, demo.host, progress);
          if (options.json)
            process.stdout.write(`${JSON.stringify({ ok: true, stack: demo.host, destroyed: true })}\n`);
          return;
        }
        const result = await runDemo(demo, progress);
        summarize(result, progress);
        if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
        if (!result.ok) throw new UserError("The demo's host is not as it should be; what was seen stands above.");
      } finally {
        await demo.close();
      }
    });
}

function summarize(
  { server, ssh, sshFromElsewhere, installRuns, apiRequests }: DemoResult,
  progress: (text: string) => void,
): void {
  const requests = Object.values(apiRequests).reduce((sum, count) => sum + count, 0);
  progress(
    `${server.name} at ${server.ipv4}, NixOS installed ${installRuns} time(s) by the stand-in installer, ${requests} API requests in this run`,
  );
  progress(
    `TCP/22 seen from the admin address: before ${ssh.beforeInstall}, during ${ssh.duringInstall}, after ${ssh.afterInstall}; from elsewhere during: ${sshFromElsewhere}`,
  );
  progress(
    'By hand: cd .demo, start "npx --no-install clawdlets emulator --data emulator &", then eval "$(npx --no-install clawdlets env)" && pulumi preview',
  );
}
