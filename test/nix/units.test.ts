import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { path } from "../_debian.ts";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { enough, host } from "./_host.ts";
import { evaluate } from "./_nix.ts";

const unit = "clawdbot-maren.service";

/** A bot's unit as a file. @param settings of nix/lib/bot-unit.nix, as Nix */
async function unitFile(settings: string): Promise<string> {
  const text = await evaluate(
    `(import ./nix/lib/bot-unit.nix).file ({ name = "maren"; command = "/bin/true --verbose"; } // { ${settings} })`,
  );
  return write(String(text));
}

function write(text: string): string {
  const file = join(temporaryFolder(), unit);
  writeFileSync(file, text);
  return file;
}

async function analyze(...args: string[]) {
  const env = { PATH: path, LC_ALL: "C", SYSTEMD_COLORS: "0" };
  return await execa("systemd-analyze", args, { env, all: true, reject: false });
}

/** From 0 (nothing to reach) to 10, as systemd counts it. */
async function exposureOf(file: string): Promise<number> {
  const { all } = await analyze("security", "--offline=true", "--no-pager", file);
  const found = /Overall exposure level for \S+: ([0-9.]+) /.exec(all)?.[1];
  if (found === undefined) throw new Error(all);
  return Number(found);
}

const variants: [string, string][] = [
  ["as it comes", ""],
  ["without just-in-time compiler", 'nodeExecMem = "jitless";'],
  [
    "with secrets, variables and limits",
    'secrets = [ "discord_token_maren" "openai" ]; environmentFiles = [ "/run/secrets/rendered/x.env" ]; environment = { A = "b c"; }; memoryMax = "512M"; cpuQuota = "50%"; tasksMax = 64; ioWeight = 50;',
  ],
  ["without limits", "memoryMax = null; cpuQuota = null; tasksMax = null;"],
];

describeWith({ programs: ["nix-instantiate", "systemd-analyze"] }, "a bot's unit", () => {
  it.each(variants)("is accepted by systemd without a warning: %s", async (_, settings) => {
    const { all, exitCode } = await analyze("verify", "--man=no", await unitFile(settings));
    expect(all).toBe("");
    expect(exitCode).toBe(0);
  });

  it.each(variants)("has an exposure of 2.0 or less: %s", async (name, settings) => {
    const file = await unitFile(settings);
    const exposure = await exposureOf(file);
    process.stdout.write(`systemd-analyze security ${unit} (${name}): ${exposure}\n`);
    expect(exposure).toBeLessThanOrEqual(2);
    expect((await analyze("security", "--offline=true", "--no-pager", "--threshold=20", file)).exitCode).toBe(0);
  });

  it("would be more exposed without its sandbox, and a misspelt setting would be reported", async () => {
    const bare = write("[Service]\nExecStart=/bin/true\n");
    expect(await exposureOf(bare)).toBeGreaterThan(9);
    expect((await analyze("security", "--offline=true", "--no-pager", "--threshold=20", bare)).exitCode).not.toBe(0);
    const { all } = await analyze("verify", "--man=no", write("[Service]\nExecStart=/bin/true\nProtectHomes=yes\n"));
    expect(all).toMatch(/Unknown key (name )?'ProtectHomes'/);
  });

  it("is the same from the NixOS module as from the function tested here", async () => {
    const { config } = await host(enough, '{ clawdlets.bots.maren.command = "/bin/true"; }');
    const direct = await evaluate(
      `(import ./nix/lib/bot-unit.nix).serviceConfig { name = "maren"; command = "/bin/true"; secrets = [ "discord_token_maren" ]; }`,
    );
    expect(config.systemd.services["clawdbot-maren"].serviceConfig).toMatchObject(direct as object);
  });
});
