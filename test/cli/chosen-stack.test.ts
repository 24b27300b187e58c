import { copyFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writePrivateFile } from "../../core/base/machine/private-files.ts";
import { run } from "../../core/base/machine/run.ts";
import { isChosen } from "../../engine/chosen-stack.ts";
import { engineEnvironment, prepareState } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { preview } from "../../engine/preview/with-state.ts";
import { openStack } from "../../engine/stack.ts";
import type { Engine } from "../../toolchain/index.ts";
import { project, temporaryFolder } from "../_project.ts";

const host = "clawdbot-fleet-host";

/** A home of its own, with the plugins of the real one: what is chosen is kept in it. */
async function lab() {
  const found = findEngine(process.cwd());
  if (found === undefined) throw new Error("no engine: sh scripts/setup.sh");
  const engine: Engine = found;
  const layout = project();
  copyFileSync("Pulumi.yaml", join(layout.root, "Pulumi.yaml"));
  await writePrivateFile(layout.passphrase, "test");
  return { layout, engine };
}

describe("the stack that the engine has chosen", () => {
  it("is known after it was opened, and no longer once another is chosen by hand", async () => {
    const { layout, engine } = await lab();
    prepareState(layout, host);
    expect(isChosen(layout, host, engine)).toBe(false);
    await openStack(layout, host, engine);
    expect(isChosen(layout, host, engine)).toBe(true);
    const env = engineEnvironment(layout, engine);
    const other = await run(engine.pulumi, ["stack", "init", "other", "--non-interactive"], { cwd: layout.root, env });
    expect(other.exitCode).toBe(0);
    expect(isChosen(layout, host, engine)).toBe(false);
    await openStack(layout, host, engine);
    expect(isChosen(layout, host, engine)).toBe(true);
  });

  it("is known where Pulumi.yaml is a link, as in the demo", async () => {
    const { layout, engine } = await lab();
    const elsewhere = join(temporaryFolder(), "Pulumi.yaml");
    renameSync(join(layout.root, "Pulumi.yaml"), elsewhere);
    symlinkSync(elsewhere, join(layout.root, "Pulumi.yaml"));
    await openStack(layout, host, engine);
    expect(isChosen(layout, host, engine)).toBe(true);
  });

  it("is asked for where the engine's own file cannot be read", async () => {
    const { layout, engine } = await lab();
    prepareState(layout, host);
    expect(isChosen(layout, host, { ...engine, pulumiHome: temporaryFolder() })).toBe(false);
  });

  it("a preview of it that fails says why, as the first one does", async () => {
    const { layout, engine } = await lab();
    await openStack(layout, host, engine);
    expect(isChosen(layout, host, engine)).toBe(true);
    writeFileSync(layout.passphrase, "another");
    const lines: string[] = [];
    const progress = Object.assign((text: string) => void lines.push(text), { startedAt: Date.now() });
    await expect(preview({ layout, host, refresh: false, environment: process.env, progress })).rejects.toThrow(
      /preview failed: \.clawdlets\/passphrase is not the passphrase .*"encryptionsalt" in .*docs\/recovery\.md/,
    );
  });
});
