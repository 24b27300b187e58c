import { endWhenUnhandled, stopUnheard } from "../engine/signals.ts";
import { programFor } from "./program.ts";
import { endOf, report, reportStop } from "./shared/ending.ts";
import { survivePipes, tell } from "./shared/output.ts";

survivePipes(stopUnheard);
endWhenUnhandled((stop) => process.exit(reportStop(stop)));
// Beside the promise of the command, e.g. a child that could not be started.
process.on("uncaughtException", (error) => void report(error).then((code) => process.exit(code)));
try {
  const program = await programFor(process.argv.slice(2));
  // Before the first secret is read; help and version read none.
  program.hook("preAction", async () => {
    (await import("../core/base/machine/core-files.ts")).forbidCoreFiles();
    const { warnOfCopies } = await import("../core/project/copies/keep.ts");
    warnOfCopies((text) => tell(`clawdlets: ${text}`));
  });
  await program.parseAsync();
  process.exitCode = endOf(process.exitCode);
} catch (error) {
  process.exitCode = await report(error);
}
