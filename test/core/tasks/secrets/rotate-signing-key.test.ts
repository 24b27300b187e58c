import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exitCodes } from "../../../../core/base/exit-codes.ts";
import type { Layout } from "../../../../core/project/layout.ts";
import { ensureSystemKey, readSystemKeys } from "../../../../core/project/secrets/keys/system-key.ts";
import { addToStackFile, readRawStackFile } from "../../../../core/project/settings/stack-file.ts";
import { addSystemKey } from "../../../../core/tasks/secrets/rotate-signing-key.ts";
import { stackFile as complete, project } from "../../../_project.ts";

const keysOf = (layout: Layout, host: string) => readRawStackFile(layout, host)["systemKeys"];
const stackFile = (layout: Layout, host: string) => readFileSync(join(layout.stacks, `Pulumi.${host}.yaml`), "utf8");
const keyFiles = (layout: Layout) => (existsSync(layout.systemKeys) ? readdirSync(layout.systemKeys).sort() : []);

describe("secrets rotate --signing-key", () => {
  it("adds a second key after the first, which stays, and leaves the other hosts' files alone", async () => {
    const layout = project({}, "web-1");
    const first = await ensureSystemKey(layout);
    await addToStackFile(layout, "web-1", { systemKeys: [first.publicKey] }, ["systemKeys"]);
    writeFileSync(join(layout.stacks, "Pulumi.web-2.yaml"), complete);

    const second = await addSystemKey(layout, "web-1");

    expect(keysOf(layout, "web-1")).toEqual([first.publicKey, second.publicKey]);
    expect(second.name).not.toBe(first.name);
    expect(stackFile(layout, "web-2")).toBe(complete);
    const here = readSystemKeys(layout).map(({ publicKey }) => publicKey);
    expect(here.sort()).toEqual([first.publicKey, second.publicKey].sort());
  });

  it("keeps the private half in a file for its owner alone, and out of the stack file", async () => {
    const layout = project({}, "web-1");
    const { file } = await addSystemKey(layout, "web-1");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const secret = readFileSync(file, "utf8").trim().split(":")[1] ?? "";
    expect(secret).toHaveLength(88);
    expect(stackFile(layout, "web-1")).not.toContain(secret);
  });

  it("adds the first key to a host that has none", async () => {
    const layout = project({}, "web-1");
    const { publicKey } = await addSystemKey(layout, "web-1");
    expect(keysOf(layout, "web-1")).toEqual([publicKey]);
  });

  it("refuses a third key while a rotation is unfinished, and creates nothing", async () => {
    const layout = project({}, "web-1");
    await addSystemKey(layout, "web-1");
    await addSystemKey(layout, "web-1");
    const [file, keys] = [stackFile(layout, "web-1"), keyFiles(layout)];
    await expect(addSystemKey(layout, "web-1")).rejects.toMatchObject({
      exitCode: exitCodes.settings,
      headline: { code: "rotation-unfinished", setting: "clawdlets:systemKeys", problem: "already has 2 keys." },
    });
    expect(stackFile(layout, "web-1")).toBe(file);
    expect(keyFiles(layout)).toEqual(keys);
  });

  it("refuses a stack file with an invalid setting, and creates no key", async () => {
    const layout = project({}, "web-1");
    await addToStackFile(layout, "web-1", { serverType: "CX43" }, ["serverType"]);
    const file = stackFile(layout, "web-1");
    await expect(addSystemKey(layout, "web-1")).rejects.toMatchObject({
      problems: [{ code: "invalid-value", setting: "clawdlets:serverType", problem: expect.stringContaining("CX43") }],
    });
    expect(stackFile(layout, "web-1")).toBe(file);
    expect(keyFiles(layout)).toEqual([]);
  });

  it("loses no key when two run at once, whether the second waits or is refused", async () => {
    const layout = project({}, "web-1");
    const ended = await Promise.allSettled([addSystemKey(layout, "web-1"), addSystemKey(layout, "web-1")]);
    const added = ended.flatMap((each) => (each.status === "fulfilled" ? [each.value.publicKey] : []));
    expect(added.length).toBeGreaterThan(0);
    expect([...added].sort()).toEqual([...(keysOf(layout, "web-1") as string[])].sort());
    expect(keyFiles(layout)).toHaveLength(added.length);
  });
});
