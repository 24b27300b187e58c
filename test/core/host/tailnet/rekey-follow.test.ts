import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { followRekey } from "../../../../core/host/tailnet/rekey-follow.ts";
import type { Rekey } from "../../../../core/host/tailnet/rekey-request.ts";
import { layoutOf } from "../../../../core/project/layout.ts";
import { temporaryFolder } from "../../../_project.ts";

afterEach(() => void vi.unstubAllEnvs());

const id = "0123456789abcdef";
const state = {
  id,
  phase: "waiting",
  result: "",
  seconds: "300",
  deadline: "4102444800",
  from: "nodekey:a",
  to: "nodekey:b",
  bootId: "boot",
  why: "",
};

/** Stand-ins for ssh and tailscale: a host that waits for its confirmation, and what it answers to one. */
function lab(confirm: string) {
  const folder = temporaryFolder();
  const program = (name: string, script: string) => {
    writeFileSync(join(folder, name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(folder, name), 0o700);
    return join(folder, name);
  };
  program(
    "ssh",
    `command=\${!#}
case $command in
  *clawdlets-rekey) echo asked >>'${folder}/asked'; cat >/dev/null; ${confirm} ;;
  *) echo "\${command#echo }" | sed 's/;.*//'; echo '${JSON.stringify(state)}' ;;
esac`,
  );
  const peer = { HostName: "web-1", PublicKey: "nodekey:b", TailscaleIPs: ["100.64.0.2"], Online: true };
  const tailscale = program("tailscale", `echo '${JSON.stringify({ Peer: { one: peer } })}'`);
  vi.stubEnv("PATH", `${folder}${delimiter}${process.env["PATH"]}`);
  const local = { tailscale, endpoint: "https://api.example.com", token: "x", sshPort: 22, sshPubkeyFile: "/k.pub" };
  const request = {
    layout: layoutOf(folder),
    settings: { host: "web-1" },
    local,
    deadlineSeconds: 300,
    signal: new AbortController().signal,
    report: () => undefined,
  } as unknown as Rekey;
  const route = { address: "203.0.113.7", port: 22, user: "admin", alias: "web-1", knownHosts: "/k", identity: "/k" };
  const strays: string[] = [];
  const order = { id, route, endsAt: new Date("2026-11-28T12:34:00") };
  const follow = () => followRekey(request, order, async (nodeKey) => void strays.push(nodeKey));
  return { follow, strays, asked: () => readFileSync(join(folder, "asked"), "utf8").trim().split("\n").length };
}

const refuses = (code: string, why: string) =>
  `echo 'clawdlets-rekey: code ${code}' >&2; echo 'clawdlets-rekey: refused, nothing changed: ${why}' >&2; exit 1`;

describe("a confirmation that the host refuses", () => {
  it.each([
    ["too-late", refuses("too-late", "the deadline has passed"), "the deadline has passed"],
    ["ended", refuses("ended", "it is returning: no"), "it is returning: no"],
    ["not-current", refuses("not-current", `the host knows no rekey ${id}`), "the host knows no rekey"],
    ["sudo's", "echo 'sudo: a password is required' >&2; exit 1", "a password is required"],
  ])("ends the wait at once: %s", async (_, confirm, said) => {
    const { follow, strays, asked } = lab(confirm);
    const error = await follow().catch((reason: unknown) => reason);
    expect(String(error)).toContain(`the host refused the confirmation of its new device: `);
    expect(String(error)).toContain(said);
    expect(String(error)).toContain("it rolls back to its old device on its own at 12:34");
    expect(error).toMatchObject({ exitCode: 12 });
    expect(asked()).toBe(1);
    expect(strays).toEqual(["nodekey:b"]);
  });

  it("is asked for again while another order is at work, or it is too early", async () => {
    const done = JSON.stringify({ ...state, phase: "done", result: "rekeyed" });
    const { follow, asked } = lab(
      `n=$(wc -l <"$(dirname "$0")/asked"); case $n in 1) ${refuses("busy", "another order is at work")} ;; 2) exit 3 ;; esac; echo '${done}'`,
    );
    expect(await follow()).toMatchObject({ state: { phase: "done" } });
    expect(asked()).toBe(3);
  });
});
