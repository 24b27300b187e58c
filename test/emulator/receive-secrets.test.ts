import { beforeAll, describe, expect, test } from "vitest";
import { RECEIVE_SECRETS } from "../../emulator/machine/commands/secrets.ts";
import { hasTailscaleKey } from "../../emulator/machine/system/activation.ts";
import { EmulatedHost } from "../nix/secrets/_emulated-host.ts";
import { refusal } from "../nix/secrets/_receiving-host.ts";
import { type Identity, newIdentity, secretFiles, tarOf } from "../nix/secrets/_sets.ts";

// What the stand-in shares with the real script is in test/nix.

let identity: Identity;
let files: Record<string, Buffer>;
let tar: Buffer;

beforeAll(async () => {
  identity = await newIdentity();
  files = await secretFiles(["alpha", "tailscale_auth_key"], identity);
  tar = await tarOf(files);
});

const newHost = (os?: "debian" | "nixos") => new EmulatedHost({ secrets: files, key: identity.text }, os);

describe("sudo asks for a password, which nobody can type, before", () => {
  test.each([
    `sudo -n ${RECEIVE_SECRETS} --help`,
    `sudo -n ${RECEIVE_SECRETS} ''`,
    `sudo ${RECEIVE_SECRETS}`,
    `sudo -n -u root ${RECEIVE_SECRETS}`,
    "sudo -n clawdlets-receive-secrets",
    `sudo -n sh -c ${RECEIVE_SECRETS}`,
    "sudo -n systemctl restart sops-install-secrets.service",
  ])("%s", async (command) => {
    const host = newHost();
    const before = await host.files();
    const asked = { status: 1, stdout: "", stderr: "sudo: a password is required\n" };
    expect(await host.run("admin", command, tar)).toEqual(asked);
    expect([await host.files(), await host.units()]).toEqual([before, []]);
  });
});

test("without sudo it is for root", async () => {
  const host = newHost();
  const { status, stderr } = await host.run("admin", "clawdlets-receive-secrets", tar);
  expect([status, stderr]).toEqual([1, "clawdlets-receive-secrets: must be run as root\n"]);
  expect(await host.run("root", "clawdlets-receive-secrets", tar)).toMatchObject({ status: 0 });
});

test("only NixOS has it", async () => {
  const { status, stderr } = await newHost("debian").run("root", "clawdlets-receive-secrets", tar);
  expect([status, stderr]).toEqual([127, expect.stringContaining("command not found")]);
});

test("what is decrypted on the machine follows the set, and the set before counts for nothing", async () => {
  const host = newHost();
  await host.send(await tarOf(await secretFiles(["alpha", "beta"], identity)));
  expect((await host.run("root", "ls /run/secrets")).stdout).toBe("alpha\nbeta\n");
  expect(hasTailscaleKey(host.tree)).toBe(false);
  await host.send(tar);
  expect((await host.run("root", "ls /run/secrets")).stdout).toBe("alpha\ntailscale_auth_key\n");
  expect(hasTailscaleKey(host.tree)).toBe(true);
});

test("a fault by its name strikes it behind sudo", async () => {
  const host = newHost();
  const fault = { command: "clawdlets-receive-secrets", exitCode: 137, stderr: "Killed", times: 1, hangs: false };
  host.faults = [fault];
  expect(await host.send(tar)).toEqual({ status: 137, stdout: "", stderr: "Killed\n" });
  expect(await host.send(tar)).toMatchObject({ status: 0 });
});

test("refuses where another run does not end", async () => {
  const host = newHost();
  host.faults = [{ command: "systemctl", exitCode: 1, stderr: "", times: 1, hangs: true }];
  void host.send(await tarOf(await secretFiles(["alpha"], identity)));
  expect(await host.send(tar)).toEqual(refusal("another run is in progress; waited 30 s for it"));
});
