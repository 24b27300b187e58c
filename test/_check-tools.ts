import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type CheckTool, ensureCheckTools } from "../toolchain/checks.ts";

export const repository = resolve(fileURLToPath(import.meta.url), "../..");

/**
 * Path of a tool that looks over the repository. Where it cannot be had, the tests that need it say so and are left out;
 * in CI that is a failure.
 */
export async function checkTool(name: CheckTool): Promise<string | undefined> {
  const { found, missing } = await ensureCheckTools({
    root: repository,
    sources: join(repository, "toolchain"),
    wanted: [name],
    report: () => undefined,
  });
  const place = found[name];
  if (place === undefined) {
    const text = `left out: ${name}, which is not there: ${missing[name]}`;
    if (process.env["CI"]) throw new Error(text);
    process.stderr.write(`${text}\n`);
  }
  return place;
}
