import { join } from "node:path";
import { describe, it } from "vitest";
import { isTofuBuilt } from "../toolchain/index.ts";
import { isRoot, whereIs } from "./_debian.ts";
import { repository } from "./_repository.ts";

export interface Needs {
  programs: readonly string[];
  /** For namespaces, and to be other users. */
  root?: boolean;
  /** The real OpenTofu, which takes minutes to build: as it is here, and under CI built first (`_tofu.ts`). */
  tofu?: boolean;
}

/**
 * `describe` for checks that need real programs. Where they cannot run, one entry of the report says which were left out
 * and why; under CI that entry fails, so that a runner without them is not taken for one that passed.
 */
export function describeWith(needs: Needs, name: string, checks: () => void): void {
  const reason = whyNot(needs);
  if (reason === undefined) {
    describe(name, checks);
    return;
  }
  describe(name, () => {
    it(`left out: ${reason}`, (context) => {
      if (isCi()) throw new Error(`${name}: left out, as ${reason}. Under CI nothing may be left out.`);
      process.stderr.write(`left out: ${name}: ${reason}\n`);
      context.skip(reason);
    });
  });
}

/** @returns why the checks cannot run here, or undefined */
export function whyNot({ programs, root = false, tofu = false }: Needs): string | undefined {
  const missing = programs.filter((program) => whereIs(program) === undefined);
  if (missing.length > 0) return `there is no ${missing.join(", ")} on this machine`;
  if (root && !isRoot) return "it takes root";
  if (!tofu || isCi() || isTofuBuilt({ root: repository, sources: join(repository, "toolchain") })) return undefined;
  return "OpenTofu is not built here, which takes some minutes once: npx tsx toolchain/main.ts --tofu";
}

const isCi = () => !["", "0", "false", undefined].includes(process.env["CI"]);
