import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { whereIs } from "../../_debian.ts";
import { describeWith } from "../../_needs.ts";
import { enough, host } from "../_host.ts";

type Setting = string | number | boolean | (string | number)[];

/** A unit's text, as NixOS writes serviceConfig. */
function textOf(serviceConfig: Record<string, Setting>): string {
  const lines = Object.entries(serviceConfig).flatMap(([key, value]) => [value].flat().map((one) => `${key}=${one}`));
  return ["[Service]", ...lines, ""].join("\n");
}

describeWith({ programs: ["nix-instantiate", "systemd-analyze", "tinyproxy"] }, "the proxy's unit, by systemd", () => {
  let folder: string;
  let unit: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "clawdlets-proxy-unit-"));
    unit = join(folder, "clawdlets-egress-proxy-maren.service");
    const { config } = await host(
      enough,
      '{ clawdlets.bots.maren.command = "/bin/maren"; clawdlets.egress = { mode = "proxy-allowlist"; proxy.allowedDomains = [ "a.example" ]; }; }',
    );
    const { serviceConfig } = config.systemd.services["clawdlets-egress-proxy-maren"];
    // Debian's program stands for the store's.
    writeFileSync(unit, textOf({ ...serviceConfig, ExecStart: `${whereIs("tinyproxy")} -d` }));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("has settings that systemd knows, all of them", async () => {
    const { all, exitCode } = await execa("systemd-analyze", ["verify", "--man=no", unit], {
      all: true,
      reject: false,
    });
    expect(all).toBe("");
    expect(exitCode).toBe(0);
  });

  it("is exposed 2.0 or less", async () => {
    const args = ["security", "--offline=true", "--threshold=20", "--no-pager", unit];
    const { all, exitCode } = await execa("systemd-analyze", args, { all: true, reject: false });
    const exposure = /Overall exposure level for \S+: ([0-9.]+)/.exec(all)?.[1];
    process.stdout.write(`exposure of the egress proxy's unit: ${exposure}\n`);
    expect(exitCode, all).toBe(0);
    expect(Number(exposure)).toBeLessThanOrEqual(2);
  });
});
