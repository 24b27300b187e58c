/**
 * `npm run template -- DIR`: makes the repository that others use as a GitHub template, of this version. Prints what it made as JSON.
 * `--package FILE` takes a packed build in place of npm's version, `--flake URI` names where others get the NixOS modules,
 * `--no-install` leaves package-lock.json out.
 */
import { parseArgs } from "node:util";
import { messageOf, UserError } from "../core/base/errors.ts";
import { makeTemplate } from "./_build/template.ts";

const usage = "usage: npm run template -- DIR [--package FILE] [--flake URI] [--no-install]";
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());

try {
  const { values, positionals } = readArguments();
  const [dir, ...more] = positionals;
  if (dir === undefined || more.length > 0) throw new UserError(usage, { exitCode: 2 });
  const made = await makeTemplate({
    dir,
    package: values.package,
    flake: values.flake,
    install: values["no-install"] !== true,
    tell: (text) => process.stderr.write(`template: ${text}\n`),
    signal: stop.signal,
  });
  process.stdout.write(`${JSON.stringify(made)}\n`);
} catch (error) {
  process.stderr.write(`template: ${stop.signal.aborted ? "stopped; nothing was left behind" : messageOf(error)}\n`);
  process.exitCode = stop.signal.aborted ? 130 : error instanceof UserError ? error.exitCode : 1;
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { package: { type: "string" }, flake: { type: "string" }, "no-install": { type: "boolean" } },
    });
  } catch (error) {
    throw new UserError(`${messageOf(error)}\n${usage}`, { exitCode: 2 });
  }
}
