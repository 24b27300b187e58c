import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, expect, it, vi } from "vitest";
import { rebuild } from "../../../core/host/activation/rebuild.ts";
import { knownHostsLine } from "../../../core/host/reach/known-hosts.ts";
import { hostLayoutOf, layoutOf } from "../../../core/project/layout.ts";
import { createSystemKey } from "../../../core/project/secrets/keys/system-key.ts";
import { completeSettings, type LocalSettings } from "../../../core/project/settings/host.ts";
import { stackConfig } from "../../../core/project/settings/stack-config/stack-config.ts";
import { describeWith } from "../../_needs.ts";
import { publicKey, recipient } from "../../_project.ts";
import { commandLinesWith } from "../tailnet/_command-lines.ts";
import { buildingHost, systemLines } from "./_building-host.ts";
import { NixMachine, needs, Operator, problemOf } from "./_machines.ts";
import { PrivateGit } from "./_private-git.ts";

// Machines start, and copies wait for each other, on machines that do other things as well.
vi.setConfig({ testTimeout: 120_000 });
afterEach(() => void vi.unstubAllEnvs());

const token = "canary-0123456789-of-a-private-repository";

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

/** A project whose flake has a private input, and a host that builds. @param size of the host's disk */
async function lab({ keys, size = "4g" }: { keys?: string; size?: string } = {}) {
  const operator = await Operator.create();
  const git = await PrivateGit.start(join(operator.folder, "private"), token);
  await git.add("words", { "flake.nix": '{ outputs = _: { text = "private words"; }; }\n' });
  const home = join(operator.folder, "home");
  mkdirSync(home);
  writeFileSync(join(home, ".gitconfig"), `[credential]\n\thelper = store --file=${home}/credentials\n`);
  writeFileSync(join(home, "credentials"), `http://oauth2:${token}@${git.address.replace(":", "%3a")}\n`);
  writeFileSync(join(home, "nix.conf"), operator.environment.NIX_CONFIG);
  vi.stubEnv("HOME", home);
  vi.stubEnv("NIX_REMOTE", operator.environment.NIX_REMOTE);
  vi.stubEnv("NIX_CONF_DIR", home);

  const layout = layoutOf(operator.flakeFolder);
  mkdirSync(layout.stacks, { recursive: true });
  writeFileSync(join(layout.stacks, "Pulumi.web-1.yaml"), "config: {}\n");
  writeFileSync(join(layout.root, "flake.nix"), flake(git.url("words")));
  const run = (...args: string[]) => execa("git", ["-C", layout.root, ...args]);
  await run("init", "--quiet", "--initial-branch=main");
  await run("config", "user.name", "t");
  await run("config", "user.email", "t@example.invalid");
  await run("remote", "add", "origin", `http://oauth2:${token}@${git.address}/hosts.git`);
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
  appendFileSync(join(layout.root, ".git/info/exclude"), ".clawdlets\n");
  mkdirSync(layout.dir, { mode: 0o700 });
  const key = await createSystemKey(layout);
  const host = await NixMachine.start({
    ...buildingHost(key.publicKey, keys),
    size,
    operator: operator.publicKey,
  });
  writeFileSync(layout.knownHosts, knownHostsLine(["web-1"], host.hostKey), { mode: 0o600 });
  const settings = completeSettings(
    "web-1",
    stackConfig.parse({
      serverType: "cx43",
      ageRecipient: recipient,
      sshHostKey: publicKey,
      adminSshKeys: [publicKey],
      systemKeys: [key.publicKey],
      rebuild: { source: "send" },
    }),
  );
  const local = { nix: "nix", githubToken: token, sshPubkeyFile: operator.publicKey, wanted: {} } as LocalSettings;
  const reports: string[] = [];
  const route = {
    address: "127.0.0.1",
    port: host.port,
    user: "root",
    alias: "web-1",
    knownHosts: layout.knownHosts,
    identity: operator.key,
  };
  const { signal } = new AbortController();
  const change = (onReport: (text: string) => void = () => undefined) =>
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
  return { operator, git, layout, host, reports, change, head, runs, releases, run };
}

describeWith(
  needs,
  "a source that is sent to a host that builds, with the real nix, git, sshd and clawdlets-activate",
  () => {
    it.each([
      ["a commit that is not pushed", false],
      ["changes that are not committed", true],
    ])("%s: the host builds it without fetching anything, and no token reaches it", async (_, dirty) => {
      const { git, layout, host, change, head, runs, releases, reports } = await lab();
      if (dirty) appendFileSync(join(layout.root, "flake.nix"), "# changed\n");
      const commit = await head();
      let served = 0;
      const work = change((text) => {
        if (!text.startsWith("prepared")) return;
        served = git.served;
        void git.stop();
      });
      const { found, result } = await commandLinesWith(token, work);
      expect(found).toEqual(new Set());
      expect(result).toMatchObject({ changed: true, rev: commit, dirty });
      expect(await runs()).toBe(result.systemPath);
      const { stdout: words } = await host.sh(`cat ${result.systemPath}/words`);
      expect(words).toMatch(new RegExp(`^private words ${dirty ? "dirty" : commit} [1-9][0-9]{9}$`));
      expect(served).toBeGreaterThan(0);
      expect(git.served).toBe(served);
      const [kept] = releases().map((line) => JSON.parse(line));
      expect(kept).toMatchObject({ commit, dirty, what: expect.stringMatching(/^source:\/nix\/store\/.*-source\?/) });
      const note = dirty ? ", with changes that are not committed," : "";
      expect(reports).toContain(`fetching commit ${commit}${note} on this machine, and sending its source to the host`);
      // Files and logs of the host; its other folders are this machine's.
      const search = `grep -rlF -e ${token} -e ${Buffer.from(`oauth2:${token}`).toString("base64")} /nix /run /var/lib /root /etc/nix`;
      expect(await host.sh(search)).toMatchObject({ exitCode: 1, stdout: "" });
      expect((await host.sh("cat /run/journal")).stdout).not.toContain("unable to");
    });

    it("evaluates to the same derivation on the host as on the operator's machine", async () => {
      const { layout, change, head } = await lab();
      const wanted = `git+file://${layout.root}?rev=${await head()}#nixosConfigurations.web-1.config.system.build.toplevel.outPath`;
      const flags = ["--extra-experimental-features", "nix-command flakes"];
      const { stdout } = await execa("nix", [...flags, "eval", "--raw", wanted]);
      expect((await change()).systemPath).toBe(stdout);
    });

    it("is refused by the host if no key that it trusts has signed it", async () => {
      const foreign = `other-1:${"A".repeat(43)}=`;
      const { change, runs, git } = await lab({ keys: foreign });
      const before = [await runs(), git.served];
      const [problem] = (await problemOf(change())).problems;
      expect(problem).toMatchObject({ code: "key-missing", problem: expect.stringContaining("signed by other-1") });
      expect([await runs(), git.served]).toEqual(before);
    });

    it("says that an input could not be fetched, and changes nothing", async () => {
      const { operator, git, change, runs, host } = await lab();
      const before = await runs();
      await git.stop();
      for (const folder of ["store", "home/.cache"]) {
        await execa("chmod", ["-R", "u+w", join(operator.folder, folder)]);
        await execa("rm", ["-rf", join(operator.folder, folder)]);
      }
      const [problem] = (await problemOf(change())).problems;
      expect(problem?.problem).toMatch(
        /^the flake and its inputs could not be fetched here: .* Nothing was changed\.$/s,
      );
      expect(problem?.fix).toContain("nix flake archive 'git+file://");
      expect(await runs()).toBe(before);
      expect((await host.sh("ls /var/lib/clawdlets")).stdout).toBe("");
    });

    it("says that flake.lock is behind flake.nix", async () => {
      const { layout, change, run } = await lab();
      await run("rm", "--quiet", "--cached", "flake.lock");
      await execa("rm", [join(layout.root, "flake.lock")]);
      const [problem] = (await problemOf(change())).problems;
      expect(problem).toMatchObject({ code: "flake-invalid", fix: expect.stringContaining("nix flake lock") });
      expect(existsSync(join(layout.root, "flake.lock"))).toBe(false);
    });

    it("says that the host has no space for a build, before anything is fetched", async () => {
      const { change, runs, git } = await lab({ size: "1200m" });
      const before = [await runs(), git.served];
      expect((await problemOf(change())).problems).toEqual([expect.objectContaining({ code: "disk-full" })]);
      expect([await runs(), git.served]).toEqual(before);
    });
  },
);
