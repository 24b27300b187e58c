#!/usr/bin/env sh
//bin/sh -c :; exec node -- "$0" "$@"
// The line above is a comment to Node, and to sh a command that does nothing and then this one. Without "--" Node 20 takes
// options of ours for its own wherever they stand: `clawdlets emulator --env-file X` ended with "node: X: not found".
// `#!/usr/bin/env -S node --` would be shorter, but BusyBox has no -S.
import { moduleOf } from "./compiled/module-of.mjs";

try {
  await import(await moduleOf("cli", "cli/main.ts"));
} catch (error) {
  if (error?.name !== "CompileError") throw error;
  process.stderr.write(`clawdlets: ${error.message}\n`);
  process.exitCode = 1;
}
