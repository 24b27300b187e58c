import { afterEach, describe, expect, it } from "vitest";
import { closedEnvironment } from "../../../../core/base/machine/environment.ts";
import { run } from "../../../../core/base/machine/run.ts";

const before = { ...process.env };
afterEach(() => {
  for (const key of Object.keys(process.env)) if (!(key in before)) delete process.env[key];
  Object.assign(process.env, before);
});

/** Left in a shell by other projects, hooks and tools; each changes what some program does. */
const foreign = [
  ...["PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_STACK", "PULUMI_HOME"],
  ...["PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG", "PULUMI_OPTION_TARGET", "HCLOUD_TOKEN", "HCLOUD_ENDPOINT"],
  ...[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_SSH_COMMAND",
    "GIT_EXEC_PATH",
  ],
  ...["SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_PRIVATE_KEY", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "AGE_SECRET"],
  ...[
    "NODE_OPTIONS",
    "NODE_PATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "BASH_ENV",
    "ENV",
    "PYTHONPATH",
    "GOFLAGS",
    "TAR_OPTIONS",
  ],
  ...["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "CLAWDLETS_FACTS", "CLAWDLETS_SSH_PORT", "SOME_VARIABLE", "XDG_CONFIG"],
];

const environmentOf = async (options: Parameters<typeof run>[2] = {}) => {
  const { stdout } = await run(process.execPath, ["-p", "JSON.stringify(process.env)"], options);
  return JSON.parse(stdout) as Record<string, string>;
};

describe("what we start inherits what is on the list", () => {
  it("and nothing else that stands in the shell", async () => {
    for (const key of foreign) process.env[key] = key === "NODE_OPTIONS" ? "--no-warnings" : "/foreign";
    const seen = await environmentOf();
    expect(Object.keys(seen).filter((key) => foreign.includes(key))).toEqual([]);
  });

  it("which is who we are, the terminal, the way out, and how nix is set up", async () => {
    const listed = { LC_ALL: "C", XDG_RUNTIME_DIR: "/run/user/1", https_proxy: "http://p:1", NO_PROXY: "x" };
    const more = { SSL_CERT_FILE: "/c", NIX_CONFIG: "a = b", TERM: "dumb", DISPLAY: ":1", TMPDIR: "/tmp" };
    Object.assign(process.env, listed, more);
    expect(await environmentOf()).toMatchObject({
      ...listed,
      ...more,
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
    });
  });

  it("where a library adds our own variables, too", () => {
    process.env["PULUMI_BACKEND_URL"] = "file:///foreign";
    const merged = { ...process.env, ...closedEnvironment({ PATH: "/bin" }) };
    expect(Object.entries(merged).filter(([, value]) => value !== undefined)).toEqual([["PATH", "/bin"]]);
  });
});
