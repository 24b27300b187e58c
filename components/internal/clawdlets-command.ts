/**
 * The text of a Command that runs `clawdlets` on the operator's machine. It is an input, so it must be the same on every machine:
 * no path, and nothing from the environment. `clawdlets env` and every command that runs the engine put clawdlets on PATH.
 */
export function clawdletsCommand(args: string): string {
  const missing = `clawdlets is not on PATH. Run this first, then try again: eval \\"\\$(npx --no-install clawdlets env)\\"`;
  return `command -v clawdlets >/dev/null || { echo "${missing}" >&2; exit 127; }; exec clawdlets ${args}`;
}

/**
 * A no-op `update`: without it, `local.Command` runs `create` again on any change of an input, and would install NixOS over a running
 * host (disk wipe).
 */
export const doNothing = ":";
