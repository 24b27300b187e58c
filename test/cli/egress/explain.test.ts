import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { project } from "../../_project.ts";

const entry = join(process.cwd(), "bin", "clawdlets.mjs");

it("lists the domains that bots need, with reasons, and what is not known", { timeout: 60_000 }, async () => {
  const { root } = project();
  mkdirSync(join(root, "bots/maren"), { recursive: true });
  const config = "{ agents: { defaults: { model: 'groq/x' } }, channels: { slack: {}, pigeon: {} } }";
  writeFileSync(join(root, "bots/maren/openclaw.json"), config);
  const explain = (...args: string[]) =>
    execa(process.execPath, [entry, "egress", "explain", ...args], { cwd: root, reject: false });
  expect((await explain()).stdout.split("\n")).toEqual([
    "maren: api.groq.com           provider groq: models (agents.defaults.model)",
    "maren: files.slack.com        channel slack: attachments (channels.slack)",
    "maren: slack.com              channel slack: API (channels.slack)",
    "maren: wss-backup.slack.com   channel slack: Socket Mode (channels.slack)",
    "maren: wss-primary.slack.com  channel slack: Socket Mode (channels.slack)",
    "maren: the channel pigeon (channels.pigeon) needs domains that are not known. If it needs any, list them in clawdlets.egress.proxy.allowedDomains.",
  ]);
  const json = JSON.parse((await explain("--json")).stdout);
  expect(json).toMatchObject({ ok: true, domains: expect.arrayContaining(["slack.com"]) });
  expect(json.bots[0]).toMatchObject({ unknown: [{ kind: "channel", name: "pigeon", option: "channels.pigeon" }] });
});
