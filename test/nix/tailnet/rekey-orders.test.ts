import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readRefusal } from "../../../core/host/reach/refusal.ts";
import { describeWith } from "../../_needs.ts";
import { RekeyingHost } from "./_rekeying.ts";

const id = "0123456789abcdef";
const other = "fedcba9876543210";
const key = "hskey-auth-canary012345-0123456789canary";
const begin = `begin ${id} 60\n${key}\n`;

describeWith({ programs: ["bash", "flock", "setsid"] }, "an order for clawdlets-rekey", () => {
  let folder: string;
  let host: RekeyingHost;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "clawdlets-rekey-"));
    const nothing = async () => undefined;
    host = await new RekeyingHost(folder, "web-1", folder, { stop: nothing, start: nothing }, nothing).open();
    writeFileSync(host.tailscaleState, "identity");
    // What it starts is not part of an order.
    host.program("systemd-run", "exit 0");
  });
  afterEach(async () => {
    await host.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("that begins is accepted: the key is in a file for root alone, and in nothing that it says", async () => {
    const { exitCode, stdout, stderr } = await host.order(begin);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ id, phase: "accepted", result: "", seconds: "60", why: "" });
    expect(stdout + JSON.stringify(host.state)).not.toContain("canary");
    const mode = (path: string) => statSync(join(host.folder, path)).mode & 0o777;
    expect([mode("run"), mode("run/key"), mode("state"), mode("state/state.json")]).toEqual([
      0o700, 0o600, 0o755, 0o644,
    ]);
  });

  it.each([
    ["nothing", ""],
    ["an order without its end of line", `begin ${id} 60\n${key}`],
    ["no key", `begin ${id} 60\n`],
    ["an empty key", `begin ${id} 60\n\n`],
    ["the key on the line of the order", `begin ${id} 60 ${key}\n`],
    ["something after the key", `${begin}x`],
    ["another order after the key", `${begin}confirm ${id}\n`],
    ["a key of another kind", `begin ${id} 60\ntskey-api-canary0123456789\n`],
    ["a path for a key", `begin ${id} 60\nfile:/etc/shadow\n`],
    ["a key with an option after it", `begin ${id} 60\n${key} --ssh\n`],
    ["a key with a line end of another system", `begin ${id} 60\r\n${key}\r\n`],
    ["a key with a quote", `begin ${id} 60\n${key}"\n`],
    ["an id that is too short", `begin ${id.slice(1)} 60\n${key}\n`],
    ["an id in capitals", `begin ${id.toUpperCase()} 60\n${key}\n`],
    ["an id that is a path", `begin ../../../../x 60\n${key}\n`],
    ["29 seconds", `begin ${id} 29\n${key}\n`],
    ["3601 seconds", `begin ${id} 3601\n${key}\n`],
    ["a number that overflows", `begin ${id} 18446744073709551676\n${key}\n`],
    ["an octal number", `begin ${id} 0060\n${key}\n`],
    ["a sum", `begin ${id} 30+30\n${key}\n`],
    ["a substitution", `begin ${id} $(touch x)\n${key}\n`],
    ["two spaces", `begin  ${id} 60\n${key}\n`],
    ["a NUL byte", `begin ${id} 60\n${key}\n\0`],
    ["an order that is longer than any", `begin ${id} 60\n${key}${"a".repeat(1000)}\n`],
    ["a confirmation of what never began", `confirm ${id}\n`],
    ["a confirmation without an id", "confirm\n"],
    ["two confirmations", `confirm ${id}\nconfirm ${id}\n`],
    ["an unknown word", `cancel ${id}\n`],
    ["a run, which is its unit's alone", "run\n"],
  ])("is refused and changes nothing: %s", async (_, text) => {
    const { exitCode, stdout, stderr } = await host.order(text);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/^clawdlets-rekey: code [a-z-]+\nclawdlets-rekey: refused, nothing changed: [^\n]+$/);
    expect(readRefusal(stderr, exitCode).code).toBe(text === `confirm ${id}\n` ? "not-current" : "unknown-order");
    expect(stderr).not.toContain("canary");
    expect([host.state, host.hasKey, host.keepsState, host.log]).toEqual([undefined, false, false, []]);
  });

  it.each([[["begin"]], [[""]], [["run", "x"]], [["--help"]]])("is refused with the arguments %j", async (args) => {
    expect(await host.order(begin, ...args)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("takes no arguments"),
    });
    expect(host.state).toBeUndefined();
  });

  it("is refused while another is under way, and where there is nothing that it could return to", async () => {
    writeFileSync(join(host.folder, "activation.json"), '{"id":"x","phase":"waiting"}\n');
    expect((await host.order(begin)).stderr).toContain("a change of the host's system is not confirmed yet");
    writeFileSync(join(host.folder, "activation.json"), '{"id":"x","phase":"done"}\n');
    writeFileSync(`${host.tailscaleState}.kept`, "unknown");
    expect((await host.order(begin)).stderr).toContain("is left from something else");
    rmSync(`${host.tailscaleState}.kept`);
    rmSync(host.tailscaleState);
    expect((await host.order(begin)).stderr).toContain("the host has no identity to keep");
    writeFileSync(host.tailscaleState, "identity");
    expect((await host.order(begin)).exitCode).toBe(0);
    expect((await host.order(begin.replace(id, other))).stderr).toContain(`another rekey (${id}) is accepted`);
    expect((await host.order(`confirm ${other}\n`)).stderr).toContain(`the host knows no rekey ${other}`);
    expect(await host.order(`confirm ${id}\n`)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining("it is accepted"),
    });
  });

  it("whose unit does not start is given up: the key is gone, and tailscaled was never stopped", async () => {
    host.program("systemd-run", "exit 1");
    host.program("sleep", ":");
    const { exitCode, stderr } = await host.order(begin);
    expect(readRefusal(stderr, exitCode)).toMatchObject({ code: "not-started", hasRefused: true, isMissing: false });
    expect(host.state).toMatchObject({ phase: "done", result: "returned", why: "the unit did not start" });
    expect([host.hasKey, host.keepsState]).toEqual([false, false]);
    expect(host.log).toEqual(["start tailscaled.service", "--no-block restart clawdlets-tailnet.service"]);
  });

  it.each([
    ["the disk is full", "sync", "echo 'sync: error syncing: No space left on device' >&2; exit 1", "No space left"],
    ["a program is missing", "sync", "echo 'sync: command not found' >&2; exit 127", "sync: command not found"],
  ])("that breaks off has a code and its reason: %s", async (_, program, lines, reason) => {
    host.program(program, lines);
    const { exitCode, stderr } = await host.order(begin);
    const refusal = readRefusal(stderr, exitCode);
    expect(refusal).toMatchObject({ code: "failed", hasRefused: false, isMissing: false });
    expect(refusal.said).toContain(reason);
    expect(refusal.said).toMatch(/\(it failed with exit status \d+\)$/);
    expect(stderr).not.toContain("canary");
  });
});
