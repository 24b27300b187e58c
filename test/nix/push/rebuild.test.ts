import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, expect, it, vi } from "vitest";
import { rebuild } from "../../../core/host/activation/rebuild.ts";
import { knownHostsLine } from "../../../core/host/reach/known-hosts.ts";
import { hostLayoutOf, layoutOf } from "../../../core/project/layout.ts";
import { createSystemKey } from "../../../core/project/secrets/keys/system-key.ts";
import type { LocalSettings } from "../../../core/project/settings/host.ts";
import { describeWith } from "../../_needs.ts";
import { repository } from "../../_repository.ts";
import { ownEtc } from "../_private-machine.ts";
import { routeTo, settingsOf } from "./_host-settings.ts";
import { NixMachine, needs, Operator, problemOf, receivesSystems } from "./_machines.ts";

// Machines start, and copies wait for each other, on machines that do other things as well.
vi.setConfig({ testTimeout: 120_000 });
afterEach(() => void vi.unstubAllEnvs());

/** Files of a host that may be changed: its programs, and the keys that it says it trusts. Nothing of this machine is written to. */
const hostFiles = (keys: string) => `
mkdir -p /run/former
mv /run/current-system/sw /run/former/sw
rmdir /run/current-system
ln -s /run/former /run/current-system
install -m 755 '${join(repository, "test/nix/push/_activate.sh")}' /run/former/sw/bin/clawdlets-activate
${ownEtc}
mkdir -p /etc/clawdlets /etc/nix
cp "$NIX_CONF_DIR/nix.conf" /etc/nix/nix.conf
printf '%s\\n' ${keys} >/etc/clawdlets/system-keys
mount -t tmpfs tmpfs /var/lib
`;

/** An operator's project whose flake is its own, a builder, and a host that runs another system. */
async function lab({ trusts = true } = {}) {
  const operator = await Operator.create();
  const lines = "mkdir $out; ln -s /run/former/sw $out/sw";
  const layout = layoutOf(operator.flakeFolder);
  mkdirSync(layout.stacks, { recursive: true });
  writeFileSync(join(layout.stacks, "Pulumi.web-1.yaml"), "config: {}\n");
  await operator.commit(lines);
  appendFileSync(join(layout.root, ".git/info/exclude"), ".clawdlets\n");
  mkdirSync(layout.dir, { mode: 0o700 });
  const key = await createSystemKey(layout);
  const builder = await NixMachine.start({ operator: operator.publicKey });
  const receiver = receivesSystems(key.publicKey);
  const host = await NixMachine.start({
    ...receiver,
    setUp: `${receiver.setUp}${hostFiles(trusts ? key.publicKey : "")}`,
    size: "1200m",
    operator: operator.publicKey,
  });
  writeFileSync(layout.knownHosts, knownHostsLine(["web-1"], host.hostKey), { mode: 0o600 });
  for (const [name, value] of Object.entries(operator.environment)) vi.stubEnv(name, value);
  const buildOn = `ssh://root@127.0.0.1:${builder.port}`;
  const settings = settingsOf(key.publicKey, { buildOn, builderKey: builder.hostKey });
  const local = { nix: "nix", sshPubkeyFile: operator.publicKey, wanted: {} } as LocalSettings;
  const reports: string[] = [];
  const run = () =>
    rebuild({
      layout,
      settings,
      local,
      route: routeTo(host, layout, operator),
      signal: new AbortController().signal,
      report: (text) => void reports.push(text),
    });
  const commit = (await execa("git", ["-C", layout.root, "rev-parse", "HEAD"])).stdout;
  const kept = () =>
    readFileSync(hostLayoutOf(layout, "web-1").releases, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  return { layout, builder, host, buildOn, run, reports, commit, kept };
}

describeWith(needs, "a rebuild on a builder, with the real nix and sshd", () => {
  it.each([
    ["a commit", false],
    ["changes that are not committed", true],
  ])("of %s is signed here, runs on the host, and is recorded as what it is", async (_, dirty) => {
    const { layout, builder, host, buildOn, run, reports, commit, kept } = await lab();
    if (dirty) appendFileSync(join(layout.root, "flake.nix"), "# changed\n");
    const result = await run();
    expect(result).toMatchObject({ changed: true, rev: commit, dirty, builder: buildOn });
    expect((await host.sh("readlink -f /run/current-system")).stdout).toBe(result.systemPath);
    expect(kept()).toEqual([expect.objectContaining({ what: result.systemPath, commit, dirty, builder: buildOn })]);
    expect(reports).toContain(
      `evaluating commit ${commit}${dirty ? ", with changes that are not committed," : ""} on this machine`,
    );
    // The builder has no signature of ours: the key never left this machine.
    const signatures = "nix path-info --json --recursive";
    expect((await builder.sh(`${signatures} ${result.systemPath}`)).stdout).not.toContain("signatures");
    expect((await host.sh(`${signatures} ${result.systemPath}`)).stdout).toContain("signatures");
  });

  it("names the setting where the host trusts no keys, before anything is built", async () => {
    const { host, buildOn, run, reports } = await lab({ trusts: false });
    const [problem] = (await problemOf(run())).problems;
    expect(problem).toMatchObject({ code: "settings", setting: "clawdlets:rebuild.buildOn" });
    expect(problem?.problem).toContain(`is "${buildOn}", but the system that the host runs trusts no keys`);
    expect(reports).toEqual([]);
    expect((await host.sh("readlink -f /run/current-system")).stdout).toBe("/run/former");
  });
});
