/**
 * The text of a Command that runs `clawdlets` on the operator's machine. It is an input, so it is the same on every machine:
 * no path, nothing read from the environment. `clawdlets env` and every `clawdlets` that runs the engine put themselves on PATH.
 */
export function clawdletsCommand(args: string): string {
  const missing = `clawdlets is not on PATH. Run this first, then try again: eval \\"\\$(npx --no-install clawdlets env)\\"`;
  return `command -v clawdlets >/dev/null || { echo "${missing}" >&2; exit 127; }; exec clawdlets ${args}`;
}

/**
 * What a Command does when one of its inputs changes without its triggers: nothing. Left out, `local.Command` would run
 * `create` again on any change of an input, and install NixOS over a living host.
 */
export const doNothing = ":";
