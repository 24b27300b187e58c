import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { exitCodes } from "../../../core/base/exit-codes.ts";
import { activate } from "../../../core/host/activation/activate.ts";
import type { SshRoute } from "../../../core/host/reach/ssh.ts";
import { describeWith } from "../../_needs.ts";
import { temporaryFolder } from "../../_project.ts";
import { signingKey } from "./_activating-host.ts";
import { ActivatingScript, script } from "./_activating-script.ts";

afterEach(() => void vi.unstubAllEnvs());

/**
 * The real activate() against the real nix/host/activate.sh. A stand-in for ssh runs on this machine what it is given, with the
 * host's files. Its time is real, the host's is 20 times faster.
 * @param disturbs shell lines before each order, which they have in `$order`; `exit 255` is a lost connection
 */
async function operated(disturbs: string) {
  const host = await ActivatingScript.open();
  const folder = temporaryFolder();
  const exported = () =>
    Object.entries(host.env)
      .map(([name, value]) => `export ${name}='${value}'\n`)
      .join("");
  const ssh = () => `#!/bin/bash
command=\${!#}
case $command in
  *clawdlets-activate)
    IFS= read -r order
    printf '%s\\n' "\${order%% *}" >>'${folder}/orders'
    ${disturbs}
    ${exported()}printf '%s\\n' "$order" | bash '${script}' ;;
  *)
    command=\${command//\\/run\\/current-system/${host.folder}/run/current-system}
    command=\${command//\\/proc\\/sys\\/kernel\\/random\\/boot_id/${host.folder}/boot_id}
    command=\${command//\\/var\\/lib\\/clawdlets\\/activation/${host.folder}/state}
    bash -c "$command" ;;
esac
`;
  const route = { address: "203.0.113.7", port: 22, user: "admin", alias: "web-1", knownHosts: "/k", identity: "/k" };
  const reported: string[] = [];
  const change = (rev: string, deadlineSeconds: number) => {
    writeFileSync(join(folder, "ssh"), ssh());
    chmodSync(join(folder, "ssh"), 0o700);
    vi.stubEnv("PATH", `${folder}${delimiter}${process.env["PATH"]}`);
    return activate({
      host: "web-1",
      route: async () => ({ route: route as SshRoute }),
      rev,
      deadlineSeconds,
      limits: { build: 20, silence: 20 },
      signal: new AbortController().signal,
      report: (text) => void reported.push(text),
    }).catch((error: unknown) => error);
  };
  const orders = () => readFileSync(join(folder, "orders"), "utf8").trim().split("\n");
  return { host, reported, change, orders };
}

describeWith({ programs: ["bash", "git", "flock", "setsid", "ps"] }, "an order to a host", () => {
  it("that did not arrive is given again, and a refusal of it ends the change at once", async () => {
    const { host, change, orders } = await operated(
      `[[ $order != switch* ]] || [[ -e "$0.lost" ]] || { : >"$0.lost"; exit 255; }`,
    );
    host.trust([signingKey("one").publicKey]);
    const former = host.running();
    const error = await change(await host.commit(), 300);
    expect(error).toMatchObject({ exitCode: exitCodes.failed });
    expect(String(error)).toContain("the host refused and changed nothing: it is not signed");
    expect(orders()).toEqual(["prepare", "switch", "switch", "cancel"]);
    expect(host.state()).toMatchObject({ phase: "done", result: "returned", why: "cancelled" });
    expect([host.running(), host.keepsSecrets()]).toEqual([former, false]);
  }, 60_000);

  it("that did not arrive is given again, and then the change goes its way", async () => {
    const { host, change, orders } = await operated(
      `[[ $order != switch* ]] || [[ -e "$0.lost" ]] || { : >"$0.lost"; exit 255; }`,
    );
    const rev = await host.commit();
    expect(await change(rev, 600)).toMatchObject({ changed: true, rev, systemPath: host.running() });
    expect(orders().filter((order) => order === "switch")).toHaveLength(2);
    expect(orders()).not.toContain("cancel");
  }, 60_000);

  it("to keep the change is given once if the host refuses it for good, and its rollback is awaited", async () => {
    const { host, reported, change, orders } = await operated(
      `[[ $order != confirm* ]] || order="\${order% *} $(printf '0%.0s' {1..64})"`,
    );
    const former = host.running();
    const error = await change(await host.commit(), 200);
    expect(error).toMatchObject({ exitCode: exitCodes.returned });
    expect(String(error)).toContain("NOT CHANGED");
    expect(reported).toContain("the host refused the confirmation, so it rolls back: another token");
    expect(orders().filter((order) => order === "confirm")).toHaveLength(1);
    expect([host.running(), host.state().result]).toEqual([former, "returned"]);
  }, 60_000);
});
