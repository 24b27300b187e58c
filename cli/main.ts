import { stopUnheard } from "../engine/signals.ts";
import { programFor } from "./program.ts";
import { endOf, report } from "./shared/ending.ts";
import { survivePipes } from "./shared/output.ts";

survivePipes(stopUnheard);
try {
  await (await programFor(process.argv[2] ?? "")).parseAsync();
  process.exitCode = endOf(process.exitCode);
} catch (error) {
  process.exitCode = report(error);
}
