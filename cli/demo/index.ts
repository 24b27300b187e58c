import { Command } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { destroy } from "../../engine/destroy.ts";
import type { Progress } from "../../engine/progress/progress.ts";
import { plainOption, withProgress } from "../screen/index.ts";
import { printJson, type ResultLine, resultLines } from "../shared/output.ts";
import { type Demo, prepareDemo } from "./prepare.ts";
import { type DemoResult, runDemo } from "./run.ts";

/** `clawdlets demo`, also `npm start`: creates and installs a host on the emulator. */
export function demoCommand(): Command {
  return new Command("demo")
    .option("--destroy", "delete the demo's host")
    .option(...plainOption)
    .option("--json", "print one JSON object as the last line on stdout")
    .addHelpText("after", "\nExamples:\n  npm start\n  npm start -- --json\n  npm start -- --destroy\n")
    .action(async (options: { destroy?: boolean; plain?: boolean; json?: boolean }) => {
      if (options.destroy) {
        const host = await withProgress("demo: destroy", options, (progress) =>
          withDemo(progress, async (demo) => {
            await destroy({ layout: demo.layout, host: demo.host, environment: process.env, progress });
            return demo.host;
          }),
        );
        resultLines(options.json)(`${host}: destroyed`);
        if (options.json) printJson({ ok: true, stack: host, destroyed: true });
        return;
      }
      const result = await withProgress("demo: a host on an emulated Hetzner", options, (progress) =>
        withDemo(progress, (demo) => runDemo(demo, progress)),
      );
      summarize(result, resultLines(options.json));
      if (options.json) printJson(result);
      if (!result.ok) throw new UserError("The demo's host failed a check. See the results above.");
    });
}

async function withDemo<T>(progress: Progress, work: (demo: Demo) => Promise<T>): Promise<T> {
  const demo = await prepareDemo(progress);
  try {
    return await work(demo);
  } finally {
    await demo.close();
  }
}

function summarize({ server, ssh, sshFromElsewhere, installRuns, apiRequests }: DemoResult, say: ResultLine): void {
  const requests = Object.values(apiRequests).reduce((sum, count) => sum + count, 0);
  say(
    `${server.name} at ${server.ipv4}, NixOS installed ${installRuns === 1 ? "once" : `${installRuns} times`} by the stand-in installer, ${requests} API requests in this run`,
  );
  say(
    `TCP/22 from the admin address: ${ssh.beforeInstall} before the installation, ${ssh.duringInstall} during, ${ssh.afterInstall} after; from elsewhere during: ${sshFromElsewhere}`,
  );
  say(
    'Continue by hand: cd .demo, start "npx --no-install clawdlets emulator --data emulator &", then: npx --no-install clawdlets preview',
  );
}
