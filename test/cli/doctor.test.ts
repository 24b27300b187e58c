import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { project, token } from "../_project.ts";

/** As a person or CI runs it: a process of its own, without network (nobody listens at port 9 of this machine). */
const env = `HCLOUD_TOKEN=${token}\nHCLOUD_ENDPOINT=http://127.0.0.1:9/v1\n`;

async function doctor(layout: Layout, ...args: string[]) {
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^(HCLOUD|CLAWDLETS|PULUMI)_/.test(key)),
  );
  const command = [join(process.cwd(), "bin", "clawdlets.mjs"), "doctor", ...args];
  const options = { cwd: layout.root, env: environment, extendEnv: false, reject: false } as const;
  return execa(process.execPath, command, options);
}

describe("clawdlets doctor", () => {
  it("says for each finding what was checked, what is wrong, and how to fix it", async () => {
    const { exitCode, stdout } = await doctor(project({ env }), "--scope", "stack");
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(
      /problem.* stack clawdbot-fleet-host: secrets: admin_password_hash: missing: the admin's password .*\n +checked: \.clawdlets\/secrets\/hosts\/clawdbot-fleet-host\/admin_password_hash\.yaml\n +fix: Create it: clawdlets secrets init --host clawdbot-fleet-host\n/,
    );
    expect(stdout).toMatch(/\n\d+ ok, \d+ warnings, \d+ problems, \d+ not checked$/);
  });

  it("works without network and with a broken stack file, and says what could not be checked", async () => {
    const layout = project({ env, stackFile: "config: [" });
    const { exitCode, stderr, stdout } = await doctor(layout, "--json");
    expect(stderr).not.toContain("a bug, please report it");
    expect(exitCode).toBe(3);
    const { ok, findings } = JSON.parse(stdout);
    expect(ok).toBe(false);
    const notSeen = findings.filter(({ status }: { status: string }) => status === "not checked");
    expect(notSeen.map(({ check }: { check: string }) => check)).toEqual(
      expect.arrayContaining([
        "public stack file",
        "keys and secrets",
        "tools and catalogue",
        "Hetzner",
        "hosts and orphans",
      ]),
    );
  });

  it("works in a fresh clone that has nothing yet", async () => {
    const layout = project({ stack: null, env: null, stackFile: null });
    const { exitCode, stdout } = await doctor(layout, "--scope", "repo");
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/0 problems/)]);
    const all = await doctor(layout);
    expect(all.stderr).not.toContain("a bug, please report it");
    expect(all.exitCode).toBe(3); // No token.
  });

  it("counts warnings and what was not checked only with --strict", async () => {
    const layout = project({ env });
    writeFileSync(join(layout.root, "flake.nix"), "{}\n");
    expect((await doctor(layout, "--scope", "repo")).exitCode).toBe(0);
    expect([1, 6]).toContain((await doctor(layout, "--scope", "repo", "--strict")).exitCode);
  });

  it("checks one host alone when it is named, and refuses a scope that is invalid", async () => {
    const layout = project({ env });
    writeFileSync(hostLayoutOf(layout, "web-2").stackFile, "config: {}\n");
    const { stdout } = await doctor(layout, "--scope", "stack", "--host", "web-2", "--json");
    const hosts = new Set(JSON.parse(stdout).findings.map(({ host }: { host?: string }) => host));
    expect([...hosts].filter((host) => host !== undefined)).toEqual(["web-2"]);
    expect(await doctor(layout, "--scope", "server")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("repo, stack, deploy"),
    });
  });
});
