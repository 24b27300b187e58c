import { expect, it } from "vitest";
import { approvePairing, isWorking, readChannels, readPairing } from "../../../../../core/host/facts/openclaw.ts";

const asked = (stdout: string, stderr = "", exitCode = 0) => {
  const commands: string[] = [];
  const run = async (command: string) => {
    commands.push(command);
    return { exitCode, stdout, stderr };
  };
  return { host: "web-1", bot: "maren", run, commands };
};
const program = "sudo -n /run/current-system/sw/bin/clawdlets-openclaw-maren";

/** As OpenClaw 2026.9.6 printed it; test/nix/bots/openclaw.test.ts asks the real one. */
const pending = {
  channel: "telegram",
  requests: [
    {
      id: "4242",
      code: "U7CXTJQK",
      createdAt: "2026-11-27T07:55:09.096Z",
      meta: { username: "ada", firstName: "Ada", accountId: "default" },
    },
  ],
};
const request = {
  channel: "telegram",
  code: "U7CXTJQK",
  sender: "4242",
  name: "ada",
  since: "2026-11-27T07:55:09.096Z",
};

it("reads who waits, by one command of the channel", async () => {
  const one = asked(JSON.stringify(pending));
  expect(await readPairing(one, "telegram")).toEqual([request]);
  expect(one.commands).toEqual([`${program} pairing-list telegram`]);
});

it("lets nobody's name move the cursor or be long", async () => {
  const [first] = pending.requests;
  const odd = { ...first, meta: { username: `\u001b[2J${"x".repeat(500)}` } };
  const [found] = await readPairing(asked(JSON.stringify({ requests: [odd] })), "telegram");
  expect(found?.name?.length).toBeLessThan(100);
  expect(found?.name).not.toContain("\u001b");
});

it.each([
  ["text", "hello", "", 0, "no JSON"],
  [
    "a code that could be a word of the next command",
    JSON.stringify({ requests: [{ id: "1", code: "--notify" }] }),
    "",
    0,
    "no JSON",
  ],
  ["a refusal by sudo", "", "sudo: a password is required", 1, "sudo: a password is required"],
  [
    "a reason",
    "",
    "[openclaw] The CLI command failed.\n[openclaw] Reason: Why not.\n[openclaw] Help: x",
    1,
    "Why not.",
  ],
])("reports %s", async (_, stdout, stderr, exitCode, words) => {
  await expect(readPairing(asked(stdout, stderr, exitCode), "telegram")).rejects.toThrow(words);
});

it.each([
  [0, false],
  // It could not write the owner into its configuration, after it had let the sender in.
  [1, true],
])("approves, with exit code %d", async (exitCode, hasNoOwner) => {
  const one = asked("Approved telegram sender 4242.\n", "Config is managed by Nix", exitCode);
  expect(await approvePairing(one, request)).toEqual({ hasNoOwner });
  expect(one.commands).toEqual([`${program} pairing-approve telegram U7CXTJQK`]);
});

it("reports a code that is gone", async () => {
  const gone = asked("", '[openclaw] Reason: No pending pairing request found for code "U7CXTJQK".', 1);
  await expect(approvePairing(gone, request)).rejects.toThrow("No pending pairing request found");
});

it("reads the channels' accounts, and judges them", async () => {
  const accounts = [
    { accountId: "default", running: true, connected: true, lifecycle: "ready", lastError: null },
    { accountId: "work", running: true, connected: false, lastError: "socket closed" },
    { accountId: "third", running: true },
    { accountId: "fourth", enabled: false },
  ];
  const channels = await readChannels(asked(JSON.stringify({ channelAccounts: { telegram: accounts } })));
  expect(channels).toEqual([
    { channel: "telegram", account: "default", running: true, connected: true, lifecycle: "ready" },
    { channel: "telegram", account: "work", running: true, connected: false, error: "socket closed" },
    { channel: "telegram", account: "third", running: true },
    { channel: "telegram", account: "fourth", running: false },
  ]);
  expect(channels.map(isWorking)).toEqual([true, false, true, false]);
  await expect(readChannels(asked('{ "gatewayReachable": false }'))).rejects.toThrow("no gateway that answers");
});
