import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { publicKeyOf, replaceSshKey } from "../../../core/base/machine/ssh-keys.ts";
import { knownHostsLine } from "../../../core/host/reach/known-hosts.ts";
import { hostLayoutOf, layoutOf } from "../../../core/project/layout.ts";
import { describeWith } from "../../_needs.ts";
import { repository } from "../../_repository.ts";
import { printed } from "../egress/lab/_netns.ts";
import { controlUrl } from "./_control.ts";
import { type Machine, needs, TailnetLab, until } from "./_lab.ts";

const typescript = ["--import", join(repository, "bin/typescript.mjs")];
const limitMs = 240_000;

describeWith(needs, "`clawdlets tailnet rekey`, with real headscale, tailscaled and ssh,", () => {
  let lab: TailnetLab;
  let operator: Machine;
  let apiKey = "";
  beforeAll(async () => {
    lab = await TailnetLab.start();
    apiKey = String(await lab.headscale("apikeys", "create", "--expiration", "1h"));
    operator = await lab.machine("operator");
    await operator.joined();
  }, 900_000);
  afterAll(() => lab?.stop());

  /** A host in the tailnet with clawdlets-rekey and an ssh server, and the project of who installed it. */
  async function project(name: string) {
    const machine = await lab.machine(name);
    const address = await machine.joined();
    const rekeying = await machine.rekeying();
    onTestFinished(() => rekeying.close());
    const root = join(operator.folder, name);
    const layout = layoutOf(root);
    const files = hostLayoutOf(layout, name);
    for (const folder of [layout.dir, files.dir]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const key of ["pinned", "operator"]) await replaceSshKey(join(root, key), key);
    const pinned = publicKeyOf(join(root, "pinned"));
    writeFileSync(layout.knownHosts, knownHostsLine([name], pinned), { mode: 0o600 });
    const { Self } = await machine.status();
    const device = { id: await lab.nodeOf(machine), nodeKey: Self.PublicKey };
    const journal = {
      version: 1,
      installId: "i",
      serverId: 1,
      address: "192.0.2.1",
      state: "done",
      startedAt: "2026-01-01T00:00:00Z",
      steps: [],
      seen: {},
      tailnet: { device },
    };
    writeFileSync(files.journal, JSON.stringify(journal), { mode: 0o600 });
    const envFile = join(root, "env.json");
    writeFileSync(envFile, JSON.stringify(rekeying.env));
    const server = [join(import.meta.dirname, "_rekeyed-ssh-server.ts"), join(root, "pinned"), envFile];
    await printed(lab.net.start(name, "node", [...typescript, ...server]), "ready");
    await until("the operator sees it", async () => {
      const { stdout } = await operator.command("status", "--json");
      return stdout.includes(address);
    });
    const request = {
      layout,
      settings: { host: name, tailnet: "headscale", sshExposure: "tailnet", tailnetTags: [] },
      local: {
        tailscale: operator.tailscale,
        endpoint: "https://api.hetzner.cloud/v1",
        token: "",
        sshPort: 22,
        sshPubkeyFile: join(root, "operator.pub"),
        secretsDir: join(root, "secrets"),
        tailnetApi: { service: "headscale", endpoint: controlUrl, apiKey },
      },
      deadlineSeconds: 90,
    };
    const tailnet = () => JSON.parse(readFileSync(files.journal, "utf8")).tailnet;
    return { machine, rekeying, address, device, request, tailnet };
  }

  const nodes = async () => (await lab.headscale("nodes", "list")) as { id: number; given_name: string }[];
  const keys = async () =>
    (await lab.headscale("preauthkeys", "list")) as { id: number; used?: boolean; expiration?: { seconds: number } }[];

  /** Runs it where the operator is. Its request has credentials, so it is on no command line. */
  async function rekeyFrom(request: object) {
    const trusted = `NODE_EXTRA_CA_CERTS=${join(lab.folder, "ca.pem")}`;
    const words = ["netns", "exec", lab.net.path("operator"), "env", trusted, "node", ...typescript];
    const { stdout, stderr } = await execa("ip", [...words, join(import.meta.dirname, "_rekey.ts")], {
      input: JSON.stringify(request),
      reject: false,
      cwd: repository,
    });
    expect(stderr).toBe("");
    return JSON.parse(stdout);
  }

  it(
    "makes the host a new device with the same name, deletes the old one, records the new one and revokes the key",
    async () => {
      const { machine, rekeying, address, device, request, tailnet } = await project("web-1");
      const result = await rekeyFrom(request);
      const { Self } = await machine.status();
      expect(result).toMatchObject({
        host: "web-1",
        address: Self.TailscaleIPs?.[0],
        device: { nodeKey: Self.PublicKey, name: "web-1" },
        tried: [
          { kind: "device", id: device.id },
          { kind: "key", id: expect.any(String) },
        ],
      });
      expect(result.tried.some((each: object) => "problem" in each)).toBe(false);
      expect(result.address).not.toBe(address);
      expect(rekeying.state).toMatchObject({ phase: "done", result: "rekeyed", from: device.nodeKey });
      const all = await nodes();
      expect(all.map(({ id }) => String(id))).not.toContain(device.id);
      expect(all.find(({ id }) => String(id) === result.device.id)?.given_name).toBe("web-1");
      expect(tailnet()).toEqual({ device: { id: result.device.id, nodeKey: Self.PublicKey }, former: [] });
    },
    limitMs,
  );

  it(
    "says that the host rolled back to its old device, which is still the recorded one, and leaves no key",
    async () => {
      const { rekeying, device, request, tailnet } = await project("web-2");
      const result = await rekeyFrom({ ...request, authKey: "hskey-auth-canary012345-0123456789canary" });
      expect(result).toMatchObject({
        exitCode: 9,
        message: expect.stringMatching(
          /^web-2: NOT CHANGED\. It is its old device again: it could not join with the new key: /,
        ),
      });
      expect(JSON.stringify(result)).not.toContain("canary");
      expect(rekeying.state).toMatchObject({ phase: "done", result: "returned" });
      expect(tailnet().device).toEqual(device);
    },
    limitMs,
  );

  it(
    "changes nothing without credentials, and where the control server refuses them",
    async () => {
      const { rekeying, request } = await project("web-3");
      const before = await keys();
      const { tailnetApi, ...local } = request.local;
      expect(await rekeyFrom({ ...request, local })).toMatchObject({
        exitCode: 3,
        message: expect.stringContaining("needs a key to join with"),
      });
      const wrong = {
        ...request.local,
        tailnetApi: { ...tailnetApi, apiKey: "hskey-api-canary012345-0123456789canary" },
      };
      expect(await rekeyFrom({ ...request, local: wrong })).toMatchObject({ exitCode: 6 });
      expect([rekeying.state, await keys()]).toEqual([undefined, before]);
    },
    limitMs,
  );
});
