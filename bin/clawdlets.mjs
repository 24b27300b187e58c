#!/usr/bin/env sh
//bin/sh -c :; exec node -- "$0" "$@"
// Polyglot: Node sees a comment above, sh a no-op and an exec. Without "--", Node 20 takes our options for its own wherever they
// stand: `clawdlets emulator --env-file X` ended with "node: X: not found".
// `#!/usr/bin/env -S node --` would be shorter, but BusyBox has no -S.
import { moduleOf } from "./compiled/module-of.mjs";

try {
  await import(await moduleOf("cli", "cli/main.ts"));
} catch (error) {
  if (error?.name !== "CompileError") throw error;
  process.stderr.write(`clawdlets: ${error.message}\n`);
  process.exitCode = 1;
}
