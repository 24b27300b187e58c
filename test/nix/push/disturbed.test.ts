import { writeFileSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";
import { exitCodes } from "../../../core/base/exit-codes.ts";
import { knownHostsLine } from "../../../core/host/reach/known-hosts.ts";
import { describeWith } from "../../_needs.ts";
import { buildingHost, killRun, systemLines } from "./_building-host.ts";
import { routeTo } from "./_host-settings.ts";
import { NixMachine, needs } from "./_machines.ts";
import { Pushing } from "./_pushing.ts";

// Machines start, and copies wait for each other, on machines that do other things as well.
vi.setConfig({ testTimeout: 120_000 });
afterEach(() => void vi.unstubAllEnvs());

/** A system that is built and signed here, copied to a host, and disturbed there. @param lines of sh for its first switch */
async function lab(lines: string) {
  const pushing = await Pushing.create(`${systemLines}\nsed -i '1a ${lines}' $out/bin/switch-to-configuration`);
  const { operator, layout, key } = pushing;
  const host = await NixMachine.start({
    ...buildingHost(key.publicKey),
    size: "1200m",
    operator: operator.publicKey,
  });
  writeFileSync(layout.knownHosts, knownHostsLine(["web-1"], host.hostKey), { mode: 0o600 });
  const phases: string[] = [];
  const changed = pushing.change(routeTo(host, layout, operator), 30, (text) => void phases.push(text));
  const line = async (text: string) => (await host.sh(text)).stdout;
  return { host, changed, phases, line };
}

const running = "readlink -f /run/current-system";
const chosen = "readlink -f /nix/var/nix/profiles/system";
describeWith(needs, "a pushed system, with the real nix, sshd and clawdlets-activate", () => {
  it("is kept once it is confirmed", async () => {
    const { changed, line } = await lab("true");
    expect(await changed).toMatchObject({ changed: true });
    expect(await line(running)).toMatch(/-nixos-system-web-1$/);
    expect(await line(chosen)).toBe(await line(running));
  });

  it.each([
    ["fails to switch", '[ "$1" = boot ] || exit 4', "switching to it failed with status 4"],
    ["cannot be chosen for the boot", '[ "$1" != boot ] || exit 1', "could not select it for the next boot"],
  ])("is rolled back if it %s", async (_, lines, why) => {
    const { changed, line } = await lab(lines);
    expect(await changed).toMatchObject({ exitCode: exitCodes.returned, message: expect.stringContaining(why) });
    expect([await line(running), await line(chosen)]).toEqual([
      expect.stringMatching(/-former$/),
      expect.stringMatching(/-former$/),
    ]);
  });

  it("is rolled back by the watch if its run is killed while it switches", async () => {
    const { host, changed, phases, line } = await lab('[ "$1" = boot ] || sleep 600');
    await vi.waitUntil(() => phases.some((text) => text.startsWith("switching to")), { timeout: 60_000 });
    await host.sh(killRun);
    await host.sh("/run/former/sw/bin/clawdlets-activate watch");
    expect(await changed).toMatchObject({
      exitCode: exitCodes.returned,
      message: expect.stringContaining("its run was interrupted while switching"),
    });
    expect([await line(running), await line(chosen)]).toEqual([
      expect.stringMatching(/-former$/),
      expect.stringMatching(/-former$/),
    ]);
  });
});
