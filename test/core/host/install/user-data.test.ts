import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { ensureBootstrapKeys, readBootstrapKeys } from "../../../../core/host/install/bootstrap-keys.ts";
import { bootstrapUserData } from "../../../../core/host/install/user-data.ts";
import { hostLayoutOf } from "../../../../core/project/layout.ts";
import { describeWith } from "../../../_needs.ts";
import { project, temporaryFolder } from "../../../_project.ts";

/** What cloud-init itself says about a cloud-config, by its own schema. */
async function schemaCheck(userData: string) {
  const file = join(temporaryFolder(), "user-data");
  writeFileSync(file, userData);
  const { exitCode, all } = await execa("cloud-init", ["schema", "--config-file", file], { all: true, reject: false });
  return { exitCode, all };
}

describeWith({ programs: ["cloud-init"] }, "a server's user_data", () => {
  it("is a cloud-config that cloud-init accepts without errors, warnings or deprecations", async () => {
    const host = hostLayoutOf(project(), "web-1");
    await ensureBootstrapKeys(host, "web-1");
    const keys = readBootstrapKeys(host);
    expect(keys).toBeDefined();
    const { exitCode, all } = keys ? await schemaCheck(bootstrapUserData(keys)) : {};
    expect(exitCode, all).toBe(0);
    expect(all).toMatch(/^Valid/m);
    expect(all).not.toMatch(/deprecat|warning|error/i);
  });

  it("would be refused with an empty list of key types, which cloud-init complains about at every boot", async () => {
    const { exitCode, all } = await schemaCheck("#cloud-config\nssh_genkeytypes: []\n");
    expect([exitCode, all]).toEqual([1, expect.stringContaining("ssh_genkeytypes")]);
  });
});
