import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { fingerprintOf } from "../../core/host/reach/host-key.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { describeWith } from "../_needs.ts";
import { repository } from "../_repository.ts";
import { onTerminal } from "../cli/_terminal.ts";
import { normalized, recordedState, recordState } from "./_recorded-tofu.ts";
import { Upstream } from "./_upstream.ts";

/**
 * Hosts in one state of the real OpenTofu's, with things beside them, taken over one after the other. The checks build on each
 * other. The first is as upstream leaves a host, the second keeps ssh public, of the third someone has backups made.
 */
const [first, second, third] = ["clawdbot-fleet-host", "second-host", "third-host"];
const minutes = (count: number) => count * 60_000;
const ssh = "in tcp/22 from 127.0.0.1/32";

describeWith({ programs: ["git", "ssh", "script"], tofu: true }, "hosts that OpenTofu made", () => {
  let upstream: Upstream;
  const clawdlets = (...args: string[]) => upstream.lab.run(args, { all: true });
  const adopt = (host: string, ...args: string[]) => clawdlets("adopt", "--host", host, ...args);
  const agreed = (host: string) => ["--yes", "--host-key", fingerprintOf(upstream.hostKey(host))];

  beforeAll(async () => {
    upstream = await Upstream.open([first, second, third], ["second-host.tf", "third-host.tf", "beside.tf"]);
    await addToStackFile(upstream.lab.layout, second, { sshExposure: "public", location: "hel1" }, ["location"]);
    await upstream.apply(true);
    await upstream.install(first);
    await upstream.apply(false);
  }, minutes(15));
  afterAll(async () => upstream?.close());

  it("are left open by upstream's lockdown, though its state says otherwise: the reason why only ids are taken from it", async () => {
    const inState = JSON.parse((await upstream.tofu(["show", "-json"])).stdout);
    const module = inState.values.root_module.child_modules.find(
      ({ address }: { address: string }) => address === "module.clawdbot_fleet_host",
    );
    expect(module.resources.find(({ name }: { name: string }) => name === "fw").values.rule).toEqual([]);
    const { firewalls } = await upstream.remote();
    expect(firewalls.find(({ name }: { name: string }) => name === `${first}-fw`).rules).toMatchObject([
      { port: "22", source_ips: ["127.0.0.1/32"] },
    ]);
  });

  describe("are not taken over, and nothing is changed anywhere, when", () => {
    const withIds = (state: unknown, changed: (id: string) => string) =>
      JSON.parse(
        JSON.stringify(state)
          .replace(/"id":"([0-9]+)"/g, (_, id) => `"id":"${changed(id)}"`)
          .replace(/"firewall_ids":\[([0-9]+)\]/g, (_, id) => `"firewall_ids":[${changed(id)}]`),
      );
    it.each<[string, () => string | Promise<string>, string | RegExp]>([
      [
        "the state is encrypted",
        async () => {
          const { folder, path } = upstream.copy("encrypted");
          upstream.add("encryption.tf", folder);
          await upstream.tofu(["apply", "-refresh-only", "-auto-approve", "-input=false"], { folder });
          return join(path, "terraform.tfstate");
        },
        /is encrypted, and only OpenTofu can decrypt it\. .*tofu -chdir=\S+ state pull >/,
      ],
      [
        "the state was moved to a backend",
        async () => {
          const { folder, path } = upstream.copy("moved");
          upstream.write("moved/backend.tf", 'terraform {\n  backend "local" {\n    path = "state/of-all"\n  }\n}\n');
          await upstream.tofu(["init", "-migrate-state", "-force-copy", "-input=false"], { folder });
          return join(path, "terraform.tfstate");
        },
        /is empty, as OpenTofu leaves it after the state was moved to a backend\. Fetch it: tofu /,
      ],
      [
        "what is named is where OpenTofu keeps the name of its backend",
        () => "infra/moved/.terraform/terraform.tfstate",
        /does not have the state, only its backend\. Fetch it: tofu /,
      ],
      [
        "the state is newer",
        () => upstream.write("newer", { ...upstream.state, version: 5 }),
        /state of version 5; allowed: 4\. .*Update clawdlets/,
      ],
      [
        "the state is older",
        () => upstream.write("older", { ...upstream.state, version: 3 }),
        /state of version 3; allowed: 4\. .*-refresh-only/,
      ],
      ["it is not a state", () => upstream.write("none", "[]"), /is not an OpenTofu state .*allowed: version 4/],
      ["it is not JSON", () => upstream.write("text", "hello"), /infra\/text: .*JSON/],
      [
        "the state has other hosts only",
        () => {
          const resources = (upstream.state["resources"] as { module?: string }[]).filter(
            ({ module }) => module !== "module.clawdbot_fleet_host",
          );
          return upstream.write("others", { ...upstream.state, resources });
        },
        'has no server "clawdbot-fleet-host"; it has second-host, third-host.',
      ],
      [
        "server and firewall are gone at Hetzner",
        () =>
          upstream.write(
            "gone",
            withIds(upstream.state, (id) => `9${id}`),
          ),
        /names the server 9\d+, which Hetzner does not have\. Check that HCLOUD_TOKEN is a token/,
      ],
    ])(
      "%s",
      async (_, file, reason) => {
        const path = await file();
        const before = [upstream.local(first), await upstream.remote(), upstream.writes];
        const { exitCode, all } = await adopt(first, ...agreed(first), "--tfstate", path);
        expect([exitCode, all]).toEqual([
          3,
          typeof reason === "string" ? expect.stringContaining(reason) : expect.stringMatching(reason),
        ]);
        expect([upstream.local(first), await upstream.remote(), upstream.writes]).toEqual(before);
      },
      minutes(2),
    );

    it(
      "the host answers by a way that the next up closes",
      async () => {
        const { id } = upstream.server(first);
        const turn = async (what: string, on: boolean) => upstream.lab.control(`servers/${id}/${what}`, { on });
        await turn("tailnet", false);
        await turn("public-ssh", true);
        const before = [upstream.local(first), upstream.writes];
        const { exitCode, all } = await adopt(first, ...agreed(first));
        await turn("tailnet", true);
        await turn("public-ssh", false);
        expect([exitCode, all]).toEqual([7, expect.stringMatching(/only answers at 127\.\S+, not in the tailnet/)]);
        expect([upstream.local(first), upstream.writes]).toEqual(before);
      },
      minutes(2),
    );

    it(
      "NixOS is not on it yet",
      async () => {
        const before = [upstream.local(second), upstream.writes];
        const { exitCode, all } = await adopt(second, ...agreed(second));
        expect([exitCode, all]).toEqual([
          7,
          expect.stringMatching(/could not log in as admin at 127\.\S+ .*Nothing was changed/),
        ]);
        expect([upstream.local(second), upstream.writes]).toEqual(before);
        await upstream.install(second);
      },
      minutes(2),
    );

    it(
      "the person who is asked does not say yes",
      async () => {
        const before = [upstream.local(first), upstream.writes];
        const command = `${join(repository, "bin", "clawdlets")} adopt --host ${first}`;
        const at = { cwd: upstream.lab.layout.root };
        const { screen, exitCode } = await onTerminal(command, [["Type yes: ", "y\n"]], at);
        expect([exitCode, screen]).toEqual([2, expect.stringContaining(`not taken over`)]);
        expect(screen).toContain(`presents the key ${fingerprintOf(upstream.hostKey(first))}`);
        expect([upstream.local(first), upstream.writes]).toEqual(before);
      },
      minutes(2),
    );
  });

  describe("are taken over as they are:", () => {
    it.each([
      [first, [ssh], "clawdbot_fleet_host"],
      [second, [], "second_host"],
    ])(
      "%s",
      async (host, closes, module) => {
        const before = [
          await upstream.remote(),
          upstream.writes,
          await upstream.plan(true),
          await upstream.plan(false),
        ];
        expect(before[2]).toEqual({});
        const { exitCode, all, stdout } = await adopt(host, ...agreed(host), "--json");
        expect(exitCode, String(all)).toBe(0);
        const { leftAlone, changes, ...result } = JSON.parse(String(stdout));
        const { firewalls } = await upstream.remote();
        const { id: firewallId } = firewalls.find(({ name }: { name: string }) => name === `${host}-fw`);
        const hostKey = fingerprintOf(upstream.hostKey(host));
        expect(result).toEqual({ ok: true, host, serverId: upstream.server(host).id, firewallId, hostKey, closes });
        expect(changes.update, JSON.stringify(changes)).toBe(2);
        expect(Object.keys(changes).filter((operation) => /replace|delete/.test(operation))).toEqual([]);
        const listed = (await upstream.tofu(["state", "list"])).stdout.split("\n");
        const beside = listed.filter((each) => !each.startsWith("data.") && !each.startsWith(`module.${module}.`));
        expect(beside).toHaveLength(7);
        expect(leftAlone.map((each: string) => each.replace(/ .*/, "")).sort()).toEqual(beside.sort());
        expect([
          await upstream.remote(),
          upstream.writes,
          await upstream.plan(true),
          await upstream.plan(false),
        ]).toEqual(before);
        const { stackFile, knownHosts, journal } = upstream.local(host);
        expect(stackFile).toContain(`clawdlets:sshHostKey: ${upstream.hostKey(host)}`);
        expect(knownHosts).toContain(
          `${host},[${upstream.server(host).ipv4}]:${upstream.lab.emulator.sshPort} ${upstream.hostKey(host)}`,
        );
        expect(journal).toMatchObject({ state: "done", disk: "installed", serverId: upstream.server(host).id });
      },
      minutes(3),
    );

    it(
      "verify says of the first that its port is open, which OpenTofu does not know",
      async () => {
        const { exitCode, json } = await upstream.lab.json(["verify", "--host", first]);
        expect([exitCode, json.hosts[0].wrong.join("\n")]).toEqual([
          8,
          expect.stringContaining(`an undeclared rule: ${ssh}`),
        ]);
      },
      minutes(2),
    );

    it.each([[first], [second]])(
      "up labels, protects and proves %s, and neither boots nor installs it again",
      async (host) => {
        const { bootId, installRuns, diskWipes } = upstream.server(host);
        const { exitCode, all } = await clawdlets("up", "--host", host);
        expect(exitCode, String(all)).toBe(0);
        expect(upstream.server(host)).toMatchObject({ bootId, installRuns, diskWipes });
        const again = await upstream.lab.json(["up", "--host", host]);
        expect(Object.keys(again.json.changes)).toEqual(["same"]);
      },
      minutes(5),
    );

    it(
      "verify and status then show both as declared",
      async () => {
        const verified = await upstream.lab.json(["verify", "--host", `${first},${second}`]);
        expect(verified.exitCode, verified.stderr).toBe(0);
        const { json } = await upstream.lab.json(["status"]);
        expect(json.hosts.slice(0, 2), JSON.stringify(json)).toMatchObject([
          { host: first, ok: true, ssh: "closed", tailnet: "answers", drift: {}, problems: [] },
          { host: second, ok: true, ssh: "open as declared", tailnet: "answers", drift: {}, problems: [] },
        ]);
      },
      minutes(3),
    );
  });

  describe("OpenTofu is let go of one host at a time:", () => {
    const withoutFirst = () => {
      const file = join(upstream.folder, "main.tf");
      const before = readFileSync(file, "utf8");
      writeFileSync(file, before.replace(/^(module "clawdbot_fleet_host"|output "ipv4") \{$(?:.|\n)*?^\}$/gm, ""));
      return () => writeFileSync(file, before);
    };
    const [server, firewall] = ["server.vm", "firewall.fw"].map((name) => `module.clawdbot_fleet_host.hcloud_${name}`);

    it("out of its files first would have it destroy the server, which protection alone refuses", async () => {
      const { id } = upstream.server(first);
      // As up does by default; the hosts of these tests are made to be thrown away.
      await upstream.api("POST", `/servers/${id}/actions/change_protection`, { delete: true, rebuild: true });
      const putBack = withoutFirst();
      expect(await upstream.plan(true)).toMatchObject({ [`${server}`]: ["delete"], [`${firewall}`]: ["delete"] });
      const only = ["-target=module.clawdbot_fleet_host", "-auto-approve", "-input=false", "-no-color"];
      const { all } = await upstream.tofu(["apply", ...only], { allowed: [1] });
      expect(all).toMatch(/protected/);
      expect(upstream.server(first).status).toBe("running");
      putBack();
    });

    it("out of its state first, as adopt says, leaves nothing to destroy, and the other host as it was", async () => {
      const { stdout } = await upstream.tofu(["state", "rm", `${server}`, `${firewall}`]);
      expect(stdout).toContain("Successfully removed 2 resource instance(s).");
      withoutFirst();
      const { stdout: left } = await upstream.tofu(["state", "list"]);
      expect(left).not.toContain("clawdbot_fleet_host");
      expect(left).toContain("module.second_host.hcloud_server.vm");
      expect(Object.entries(await upstream.plan(true)).filter(([, actions]) => actions.includes("delete"))).toEqual([]);
    });
  });

  it(
    "an up that would do more than it is meant to, such as delete all backups, is warned of; they are still there",
    async () => {
      await upstream.install(third);
      await upstream.api("POST", `/servers/${upstream.server(third).id}/actions/enable_backup`);
      const settled = async () =>
        (await upstream.remote())["servers"].find(({ name }: { name: string }) => name === third);
      await vi.waitFor(async () =>
        expect(await settled()).toMatchObject({ locked: false, backup_window: expect.any(String) }),
      );
      const before = [await upstream.remote(), upstream.writes];
      const { exitCode, all } = await adopt(third, ...agreed(third));
      expect([exitCode, all]).toEqual([
        1,
        expect.stringMatching(/would change backups of third-host-server\. Before you run it, declare/),
      ]);
      expect([await upstream.remote(), upstream.writes]).toEqual(before);
    },
    minutes(2),
  );
});

describeWith({ programs: ["git"], tofu: true }, "the recorded state, by which the tests without OpenTofu go", () => {
  it(
    "is what OpenTofu writes",
    async () => {
      const upstream = await Upstream.open([]);
      try {
        await upstream.apply(false);
        const fresh = readFileSync(upstream.stateFile, "utf8");
        if (process.env["CLAWDLETS_RECORD"]) recordState(fresh);
        expect(normalized(fresh)).toBe(recordedState());
      } finally {
        await upstream.close();
      }
    },
    minutes(15),
  );
});
