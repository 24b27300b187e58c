import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, vi } from "vitest";
import { rebuild } from "../../../../core/host/activation/rebuild.ts";
import { knownHostsLine } from "../../../../core/host/reach/known-hosts.ts";
import { hostLayoutOf, layoutOf } from "../../../../core/project/layout.ts";
import { createSystemKey } from "../../../../core/project/secrets/keys/system-key.ts";
import type { LocalSettings } from "../../../../core/project/settings/host.ts";
import { buildingHost, systemLines } from "../_building-host.ts";
import { routeTo, settingsOf } from "../_host-settings.ts";
import { Line, NixMachine, Operator } from "../_machines.ts";
import { PrivateGit } from "./_private-git.ts";

export const token = "canary-0123456789-of-a-private-repository";

/** The operator's flake. Its system has what the private input says, the commit and the time. */
const flake = (input: string) => `{
  inputs.words.url = "git+${input}?ref=main";
  outputs = { self, words }: {
    nixosConfigurations.web-1.config.system.build.toplevel = derivation {
      name = "nixos-system-web-1";
      system = "x86_64-linux";
      builder = "/bin/sh";
      PATH = "/usr/bin:/bin";
      words = words.text + " " + (self.rev or "dirty") + " " + toString self.lastModified;
      args = [ "-euc" ''${systemLines.replaceAll("${", "''${")}
        echo $words >$out/words'' ];
    };
  };
}
`;

export interface SendingOptions {
  /** What the host trusts. @default the project's key */
  keys?: string;
  /** Of the host's disk. @default `4g` */
  size?: string;
  /** A comment in the project's flake. */
  comment?: string;
  /** Characters that the private input has beside its words. @default 0 */
  padding?: number;
  /** The private repository. @default over http, for a token */
  git?: (folder: string) => Promise<PrivateRepositories>;
  /** `clawdlets:rebuild`. @default `source: send` */
  rebuild?: object;
  /** Pushes the project to the private server, too, and names it in `clawdlets:flake`. @default false */
  isPushed?: boolean;
}

/** A git server that reads some credential, and what an operator needs for it. */
type PrivateRepositories = Pick<PrivateGit, "folder" | "served" | "url" | "add" | "stop"> & {
  /** @returns lines of the operator's git settings */
  setUp: (home: string) => Promise<string>;
};

const overHttp = (folder: string) => PrivateGit.start(folder, token);

/** A project whose flake has a private input, and a host that builds. */
export async function sendingLab(options: SendingOptions = {}) {
  const { keys, size = "4g", comment = "", padding = 0, git: start = overHttp, isPushed = false } = options;
  const operator = await Operator.create();
  const git = await start(join(operator.folder, "private"));
  await git.add("words", {
    "flake.nix": '{ outputs = _: { text = "private words"; }; }\n',
    padding: randomBytes((padding * 3) / 4).toString("base64"),
  });
  const home = join(operator.folder, "home");
  mkdirSync(home);
  writeFileSync(join(home, ".gitconfig"), await git.setUp(home));
  writeFileSync(join(home, "nix.conf"), operator.environment.NIX_CONFIG);
  vi.stubEnv("HOME", home);
  vi.stubEnv("NIX_REMOTE", operator.environment.NIX_REMOTE);
  vi.stubEnv("NIX_CONF_DIR", home);

  const layout = layoutOf(operator.flakeFolder);
  mkdirSync(layout.stacks, { recursive: true });
  writeFileSync(join(layout.stacks, "Pulumi.web-1.yaml"), "config: {}\n");
  writeFileSync(join(layout.root, "flake.nix"), `${comment}${flake(git.url("words"))}`);
  const run = (...args: string[]) => execa("git", ["-C", layout.root, ...args]);
  await run("init", "--quiet", "--initial-branch=main");
  await run("config", "user.name", "t");
  await run("config", "user.email", "t@example.invalid");
  await run("remote", "add", "origin", git.url("hosts").replace(/^http:\/\//, `$&oauth2:${token}@`));
  await run("add", "--all");
  await execa("nix", [
    "--extra-experimental-features",
    "nix-command flakes",
    "flake",
    "lock",
    `git+file://${layout.root}`,
  ]);
  await run("add", "--all");
  await run("commit", "--quiet", "-m", "hosts");
  if (isPushed) await execa("git", ["clone", "--quiet", "--bare", layout.root, join(git.folder, "hosts.git")]);
  appendFileSync(join(layout.root, ".git/info/exclude"), ".clawdlets\n");
  mkdirSync(layout.dir, { mode: 0o700 });
  const key = await createSystemKey(layout);
  const host = await NixMachine.start({
    ...buildingHost(key.publicKey, keys),
    size,
    operator: operator.publicKey,
  });
  writeFileSync(layout.knownHosts, knownHostsLine(["web-1"], host.hostKey), { mode: 0o600 });
  const own = settingsOf(key.publicKey, options.rebuild ?? { source: "send" });
  const settings = isPushed ? { ...own, flake: `git+${git.url("hosts")}?ref=main` } : own;
  const local = { nix: "nix", githubToken: token, sshPubkeyFile: operator.publicKey, wanted: {} } as LocalSettings;
  const reports: string[] = [];
  const line = await Line.to(host.port);
  const route = routeTo(line, layout, operator);
  const change = (onReport: (text: string) => void = () => undefined, { signal } = new AbortController()) =>
    rebuild({
      layout,
      settings,
      local,
      route,
      signal,
      report: (text) => {
        reports.push(text);
        onReport(text);
      },
    });
  const head = async () => (await run("rev-parse", "HEAD")).stdout;
  const runs = async () => (await host.sh("readlink -f /run/current-system")).stdout;
  const releases = () => readFileSync(hostLayoutOf(layout, "web-1").releases, "utf8").trim().split("\n");
  /** Files and logs of the host that have the secret, as it is or as git sends it; its other folders are this machine's. */
  const leaks = async (secret = token) => {
    const forms = [secret, base64(secret), base64(`oauth2:${secret}`)];
    const { exitCode, stdout } = await host.sh(
      `grep -rlF ${forms.map((form) => `-e ${form}`).join(" ")} /nix /run /var/lib /root /etc/nix`,
    );
    expect(exitCode).toBeLessThan(2); // 2: it could not search everything.
    return stdout.split("\n").filter((file) => file !== "");
  };
  return { operator, git, layout, host, line, reports, change, head, runs, releases, run, leaks };
}

const base64 = (text: string) => Buffer.from(text).toString("base64").replace(/=+$/, "");
