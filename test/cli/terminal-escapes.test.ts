import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLine, printable } from "../../core/base/wording.ts";
import { milestones } from "../../engine/signals.ts";
import { project, token } from "../_project.ts";

/** Sets the title, clears the screen, colours by a C1 code, deletes, and reads backwards. */
const hostile = "before\u001b]0;owned\u0007\u001b[2J\u009b31m\u007f\u202egnp.exe\u2066\u200b\u2028after";
// Our own colours are the only sequences that are meant.
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
const leftIn = (text: string) => text.replace(/\u001b\[[0-9;]*m/g, "").match(/[\p{Cc}\p{Cf}\u2028\u2029]/gu) ?? [];
const otherThanLines = (text: string) => leftIn(text).filter((found) => found !== "\n" && found !== "\t");

let api: Server;
let endpoint = "";
beforeAll(async () => {
  api = createServer((_, response) => {
    response.writeHead(403, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { code: `forbidden${hostile}`, message: hostile } }));
  });
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(api.address() as AddressInfo).port}/v1`;
});
afterAll(() => new Promise((resolve) => api.close(resolve)));

describe("what Hetzner's API answers reaches no terminal as it is", () => {
  it.each([
    "window list",
    "window list --json",
    "window close",
    "window close --json",
    "status",
    "status --json",
    "verify",
    "verify --json",
    "lockdown",
    "doctor --scope deploy",
    "doctor --scope deploy --json",
  ])("clawdlets %s", async (command) => {
    const { root } = project({ env: `HCLOUD_TOKEN=${token}\nHCLOUD_ENDPOINT=${endpoint}\n` });
    const args = [join(process.cwd(), "bin", "clawdlets.mjs"), ...command.split(" ")];
    const { all, stdout } = await execa(process.execPath, args, { cwd: root, reject: false, all: true });
    expect(all).toContain("before");
    expect(all).toContain("after");
    expect(otherThanLines(all)).toEqual([]);
    if (command.endsWith("--json")) expect(JSON.stringify(JSON.parse(stdout))).toContain("before");
  });
});

it("shows lines and tabs, and a mark for whatever could deceive", () => {
  expect(printable("a\tb\nc")).toBe("a\tb\nc");
  expect(otherThanLines(printable(hostile))).toEqual([]);
  expect(printable("größer 日本 🎉")).toBe("größer 日本 🎉");
});

it("writes JSON that means the same and moves nothing", () => {
  const value = { [hostile]: [hostile, "\u{e0001}tag 🎉"] };
  expect(JSON.parse(jsonLine(value))).toEqual(value);
  expect(leftIn(jsonLine(value))).toEqual([]);
});

it("milestones, which the engine shows and keeps, are marked too", () => {
  const said: string[] = [];
  const write = process.stderr.write;
  process.stderr.write = (text) => said.push(String(text)) > 0;
  milestones()("check", hostile);
  process.stderr.write = write;
  expect(otherThanLines(said.join(""))).toEqual([]);
});
