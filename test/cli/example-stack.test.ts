import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeEach, expect, it } from "vitest";
import { parse } from "yaml";
import { publicKey, temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

let root: string;
beforeEach(() => {
  root = temporaryFolder();
  writeFileSync(join(root, "Pulumi.yaml"), "name: clawdlets\nstackConfigDir: stacks\n");
  writeFileSync(join(root, "key.pub"), `${publicKey}\n`);
  mkdirSync(join(root, "stacks"));
  cpSync(join(repository, "stacks/Pulumi.example.yaml"), join(root, "stacks/Pulumi.example.yaml"));
});

const clawdlets = (...args: string[]) =>
  execa(join(repository, "bin/clawdlets"), args, { cwd: root, reject: false, stdin: "ignore" });
const init = (host: string, ...more: string[]) =>
  clawdlets("init", "--host", host, "--admin-cidr", "203.0.113.7/32", "--ssh-pubkey", "key.pub", ...more);
const stackOf = (host: string) => parse(readFileSync(join(root, `stacks/Pulumi.${host}.yaml`), "utf8")).config;

it("up refuses the example, and a host that was copied from it, until init has made their keys", async () => {
  expect((await init("web-1")).exitCode).toBe(0);
  for (const host of ["example", "web-1"]) {
    const { exitCode, stdout } = await clawdlets("up", "--host", host, "--json");
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout).problems).toEqual([
      expect.objectContaining({
        code: "key-missing",
        subject: `stacks/Pulumi.${host}.yaml`,
        fix: `Make this host's own keys: clawdlets init --host ${host}`,
      }),
    ]);
  }
}, 60_000);

it("init copies the example, with the options in place of its settings, and a host by --like", async () => {
  expect((await init("web-1", "--server-type", "cx53", "--location", "hel1", "--bots", "maren")).exitCode).toBe(0);
  expect(stackOf("web-1")).toMatchObject({
    "clawdlets:serverType": "cx53",
    "clawdlets:location": "hel1",
    "clawdlets:bots": ["maren"],
  });
  expect(readFileSync(join(root, "stacks/Pulumi.web-1.yaml"), "utf8")).toContain("WIPES THE DISK");
  const { exitCode, stderr } = await init("web-2", "--like", "web-1", "--location", "nbg1");
  expect(exitCode, stderr).toBe(0);
  expect(stackOf("web-2")).toMatchObject({
    "clawdlets:serverType": "cx53",
    "clawdlets:location": "nbg1",
    "clawdlets:bots": ["maren"],
  });
  // Both files have to say the same of a server's type.
  const { hosts } = JSON.parse(readFileSync(join(root, ".clawdlets/stack.json"), "utf8"));
  expect(hosts["web-2"].hetzner.serverType).toBe("cx53");
}, 60_000);

it.each([
  ["a host that there is not", "web-2", "web-9", "no-such-host", /"web-9" has no stack file.*; there are/],
  ["a host that has a stack file", "example", "example", "file-in-the-way", /Pulumi\.example\.yaml exists and is kept/],
])(
  "init --like refuses %s",
  async (_, host, like, code, problem) => {
    const { exitCode, stdout } = await init(host, "--like", like, "--json");
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout).problems).toEqual([
      expect.objectContaining({ code, setting: "--like", problem: expect.stringMatching(problem) }),
    ]);
  },
  60_000,
);
