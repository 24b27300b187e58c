import { forbidCoreFiles } from "../core/base/machine/core-files.ts";
import { warnOfCopies } from "../core/project/copies/keep.ts";
import { stopUnheard } from "../engine/signals.ts";
import { programFor } from "./program.ts";
import { endOf, report } from "./shared/ending.ts";
import { survivePipes, tell } from "./shared/output.ts";

forbidCoreFiles();
survivePipes(stopUnheard);
warnOfCopies((text) => tell(`clawdlets: ${text}`));
// Beside the promise of the command, e.g. a child that could not be started.
process.on("uncaughtException", (error) => process.exit(report(error)));
try {
  await (await programFor(process.argv[2] ?? "")).parseAsync();
  process.exitCode = endOf(process.exitCode);
} catch (error) {
  process.exitCode = report(error);
}
