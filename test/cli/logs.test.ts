import { appendFileSync, mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { JournalWriter } from "../../core/host/journal.ts";
import { type HostLayout, hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { project } from "../_project.ts";

const entry = join(process.cwd(), "bin", "clawdlets.mjs");
const older = "install-2026-05-01T10-00-00-000Z.log";
const newer = "install-2026-05-02T10-00-00-000Z.log";

function withLogs(logs: Record<string, string>): { layout: Layout; host: HostLayout } {
  const layout = project({}, "web-1");
  const host = hostLayoutOf(layout, "web-1");
  mkdirSync(host.logs, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(logs)) writeFileSync(join(host.logs, name), text, { mode: 0o600 });
  return { layout, host };
}

const logs = (layout: Layout, ...args: string[]) =>
  execa(process.execPath, [entry, "logs", ...args], { cwd: layout.root, reject: false, stripFinalNewline: false });

const said = (child: ReturnType<typeof logs>, text: string) =>
  new Promise<void>((resolve) =>
    child.stdout?.on("data", (chunk: Buffer) => String(chunk).includes(text) && resolve()),
  );

const running = (host: HostLayout) =>
  new JournalWriter(host.journal, { installId: "0".repeat(16), serverId: 1, address: "192.0.2.1" });

/** As the installation names it. */
const logOf = (host: HostLayout, { journal }: JournalWriter) =>
  join(host.logs, `install-${journal.startedAt.replaceAll(/[:.]/g, "-")}.log`);

describe("clawdlets logs", () => {
  it("prints the newest installer log of the only host, with control characters made visible", async () => {
    const text = "### Done! ###\n\u001b]0;title\u0007plain\n\u001b[31mred\u001b[0m\ttab\nno end";
    const { layout } = withLogs({ [older]: "old\n", [newer]: text, "guard.log": "guard\n" });
    const { stdout, exitCode } = await logs(layout);
    expect(exitCode).toBe(0);
    expect(stdout).toBe("### Done! ###\n�]0;title�plain\nred\ttab\nno end\n");
    const json = JSON.parse((await logs(layout, "--json")).stdout);
    expect(json).toMatchObject({ ok: true, host: "web-1", file: `.clawdlets/hosts/web-1/logs/${newer}` });
    expect(json.lines).toEqual(["### Done! ###", "�]0;title�plain", "red\ttab", "no end"]);
  });

  it("prints a long one whole, also when nobody reads it to its end", async () => {
    const text = "ä line of a build\n".repeat(200_000);
    const { layout } = withLogs({ [newer]: text });
    expect((await logs(layout)).stdout).toBe(text);
    const cut = await execa("sh", ["-c", `"${process.execPath}" "${entry}" logs | head -n 1`], { cwd: layout.root });
    expect(cut).toMatchObject({ stdout: "ä line of a build", stderr: "" });
  });

  it("lists all of them with size and time", async () => {
    const { layout, host } = withLogs({ [older]: "old\n", [newer]: "newer\n", "guard.log": "guard\n", lock: "" });
    for (const name of [older, newer, "guard.log"]) utimesSync(join(host.logs, name), 1e9, 1e9);
    const { stdout } = await logs(layout, "--host", "web-1", "--list");
    expect(stdout.split("\n").map((line) => line.trim().split(/\s+/))).toEqual([
      ["6", "2001-09-09T01:46:40Z", "guard.log"],
      ["4", "2001-09-09T01:46:40Z", older],
      ["6", "2001-09-09T01:46:40Z", newer],
      [""],
    ]);
    expect(JSON.parse((await logs(layout, "--list", "--json")).stdout)).toMatchObject({
      ok: true,
      host: "web-1",
      logs: [{ name: "guard.log" }, { name: older, bytes: 4, modifiedAt: "2001-09-09T01:46:40Z" }, { name: newer }],
    });
  });

  it("follows one until the installation ends", async () => {
    const { layout, host } = withLogs({});
    const journal = running(host);
    await journal.step("install", "partitioning");
    writeFileSync(logOf(host, journal), "first\nhal", { mode: 0o600 });
    const child = logs(layout, "--follow");
    await said(child, "first");
    appendFileSync(logOf(host, journal), "f\nlast\n");
    await said(child, "last");
    await journal.end("failed");
    const { stdout, stderr, exitCode } = await child;
    expect({ stdout, exitCode }).toEqual({ stdout: "first\nhalf\nlast\n", exitCode: 0 });
    expect(stderr).toContain("web-1: the installation failed");
  });

  it("follows one that has not begun, and ends with Ctrl-C", async () => {
    const { layout, host } = withLogs({ "install-2020-01-01T10-00-00-000Z.log": "of another run\n" });
    const journal = running(host);
    await journal.step("connect", "waiting for ssh");
    const child = logs(layout, "--follow");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    writeFileSync(logOf(host, journal), "begun\n", { mode: 0o600 });
    await said(child, "begun");
    child.kill("SIGINT");
    expect(await child).toMatchObject({ stdout: "begun\n", exitCode: 0 });
  });

  it("says so when there is none, and refuses what makes no sense", async () => {
    const { layout, host } = withLogs({ "guard.log": "guard\n" });
    const none = await logs(layout, "--follow");
    expect(none.exitCode).toBe(1);
    expect(none.stderr).toMatch(/web-1: no installer log in \.clawdlets\/hosts\/web-1\/logs.*clawdlets up/);
    rmSync(host.logs, { recursive: true });
    expect((await logs(layout, "--list")).stdout).toBe("");
    expect((await logs(layout, "--host", "../web-1")).exitCode).toBe(2);
    expect((await logs(layout, "--follow", "--json")).exitCode).toBe(2);
    expect((await logs(layout, "--help")).stdout).toMatch(/Examples:\n {2}clawdlets logs --follow/);
  });
});
