import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

/** As npm installs it: a link of that name on PATH. */
function onPath(): { env: Record<string, string>; folder: string } {
  const folder = temporaryFolder();
  symlinkSync(join(repository, "bin", "clawdlets.mjs"), join(folder, "clawdlets"));
  return {
    folder,
    env: { ...(process.env as Record<string, string>), PATH: `${folder}${delimiter}${process.env["PATH"]}` },
  };
}

it("takes --env-file itself, which Node 20 also has, for a file that is not there yet", async () => {
  const { env, folder } = onPath();
  const file = join(folder, ".env");
  const child = spawn("clawdlets", ["emulator", "--env-file", file], { env, stdio: ["ignore", "pipe", "pipe"] });
  try {
    const [line] = await Promise.race([
      once(child.stdout, "data"),
      once(child, "close").then(([code]) => Promise.reject(new Error(`ended with ${code}`))),
    ]);
    expect(readFileSync(file, "utf8")).toContain(JSON.parse(String(line)).token);
  } finally {
    child.kill("SIGTERM");
  }
  // Told to stop it stops, so it is the process that was started and not a child of that.
  expect((await once(child, "close"))[0]).toBe(0);
}, 30_000);

it.each(["--env-file", "--env-file-if-exists", "--require", "--import", "--eval", "--inspect-brk", "--test"])(
  "refuses %s of Node's, and nothing of the file is loaded",
  async (option) => {
    const { env, folder } = onPath();
    const file = join(folder, "given.cjs");
    writeFileSync(file, `require("node:fs").writeFileSync(${JSON.stringify(join(folder, "loaded"))}, "");\n`);
    const { exitCode, stderr } = await execa("clawdlets", ["verify", option, file], { env, reject: false });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`${option}: clawdlets verify has no such option`)]);
    expect(existsSync(join(folder, "loaded"))).toBe(false);
  },
);
