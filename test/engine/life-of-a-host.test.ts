import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/_demo/prepare.ts";
import { type DemoResult, runDemo } from "../../cli/_demo/run.ts";
import { engineEnvironment } from "../../cli/_engine.ts";
import { destroy } from "../../cli/destroy.ts";
import { preview } from "../../cli/preview.ts";
import { up } from "../../cli/up.ts";
import { replaceBootstrapKeys } from "../../core/bootstrap/bootstrap-keys.ts";
import { probePort } from "../../core/bootstrap/probe.ts";
import { hostLayoutOf, layoutOf } from "../../core/local/layout.ts";
import { decryptSecret } from "../../core/secrets/sops.ts";
import { addToStackFile } from "../../core/settings/stack-file.ts";
import { findEngine } from "../../toolchain/index.ts";
import { ArgumentWatch } from "./_argv.ts";

/**
 * One host, from nothing to nothing, by the real engine and provider against the emulator, in the order of its life: the
 * tests of this file build on each other, since every creation takes twenty seconds.
 */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-life-"));
const lines: string[] = [];
const progress = Object.assign((text: string) => void lines.push(text), { startedAt: Date.now() });
const engine = findEngine(process.cwd());
let demo: Demo;
let result: DemoResult;
let canaries: Record<string, string>;
let watch: ArgumentWatch;

beforeAll(async () => {
  demo = await prepareDemo(progress, join(folder, "project"), join(folder, "emulator"));
  canaries = await plantedSecrets();
  watch = new ArgumentWatch(Object.values(canaries));
  result = await runDemo(demo, progress);
}, 180_000);

afterAll(async () => {
  watch?.stop();
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Everything that must stay in `.clawdlets` and on the host, each as it would stand in a leak. */
async function plantedSecrets(): Promise<Record<string, string>> {
  const files = hostLayoutOf(demo.layout, demo.host);
  const read = (file: string) => readFileSync(file, "utf8");
  const secret = (name: string) =>
    decryptSecret(engine?.sops ?? "sops", {
      file: join(files.secrets, `${name}.yaml`),
      name,
      identityFile: files.identity,
    });
  const lastLine = (key: string) => key.trim().split("\n").at(-2) ?? "";
  return {
    token: /HCLOUD_TOKEN="(.+)"/.exec(read(join(demo.layout.dir, ".env")))?.[1] ?? "",
    passphrase: read(demo.layout.passphrase).trim(),
    adminPasswordHash: await secret("admin_password_hash"),
    tailscaleAuthKey: await secret("tailscale_auth_key"),
    ageIdentity: /AGE-SECRET-KEY-1\w+/.exec(read(files.identity))?.[0] ?? "",
    hostKey: lastLine(read(files.hostKey)),
    operatorKey: lastLine(read(join(demo.layout.root, "operator", "id_ed25519"))),
  };
}

const pulumi = (...args: string[]) =>
  execa(engine?.pulumi ?? "pulumi", [...args, "--stack", demo.host, "--non-interactive"], {
    cwd: demo.layout.root,
    env: engineEnvironment(demo.layout, engine ?? ({} as never)),
    all: true,
  });

const serverSeen = async () => (await demo.report()).servers.find(({ name }) => name === demo.host);

function leaksIn(text: string): string[] {
  return Object.entries(canaries).flatMap(([name, canary]) => (text.includes(canary) ? [name] : []));
}

describe("creating", () => {
  it("ends with an installed host whose port was closed, then open to the admin alone, then closed", () => {
    expect(result).toMatchObject({
      ok: true,
      ssh: { beforeInstall: "closed", duringInstall: "open", afterInstall: "closed" },
      sshFromElsewhere: "closed",
      installRuns: 1,
    });
  });

  it("takes at most 16 requests besides polls", () => {
    const requests = Object.entries(result.apiRequests).filter(([path]) => !path.startsWith("GET /actions"));
    const count = requests.reduce((sum, [, times]) => sum + times, 0);
    expect(count, JSON.stringify(requests)).toBeLessThanOrEqual(16);
  });

  it("leaves one firewall with the declared rule, and no window", async () => {
    expect(lines.join("\n")).toContain("locked down: 1 rules as declared");
    const { stdout } = await pulumi("stack", "export");
    expect(stdout).toContain('"protocol": "icmp"');
    expect(result.apiRequests["DELETE /firewalls/{id}"]).toBeGreaterThan(0);
  });

  it("has found every canary that it then looks for", () => {
    for (const canary of Object.values(canaries)) expect(canary.length).toBeGreaterThan(20);
    expect(watch.looks).toBeGreaterThan(1000);
  });

  it("shows no secret in any process's arguments", () => expect([...watch.found]).toEqual([]));

  it("shows no secret in its own output", () => expect(leaksIn(lines.join("\n"))).toEqual([]));

  it("keeps no secret in the state, decrypted", async () => {
    const { stdout } = await pulumi("stack", "export", "--show-secrets");
    expect(stdout).toContain("ssh_keys"); // The one-time keys, so this is the decrypted text.
    expect(leaksIn(stdout)).toEqual([]);
  });

  it("leaves one-time keys in the state that open nothing any more", async () => {
    const { stdout } = await pulumi("stack", "export", "--show-secrets");
    const files = hostLayoutOf(demo.layout, demo.host);
    for (const key of [files.bootstrapClientKey, files.bootstrapHostKey, files.hostKey]) {
      const [, blob = ""] = readFileSync(`${key}.pub`, "utf8").split(" ");
      expect(stdout).not.toContain(`ed25519_public: ssh-ed25519 ${blob}`);
    }
  });

  it("sends no secret to Hetzner's API", () => {
    expect(leaksIn(readFileSync(join(folder, "emulator", "requests.jsonl"), "utf8"))).toEqual([]);
  });

  it("keeps no secret in its raw logs", () => {
    const logs = hostLayoutOf(demo.layout, demo.host).logs;
    const texts = readdirSync(logs).map((file) => readFileSync(join(logs, file), "utf8"));
    expect(texts.join("")).toContain("### Installing NixOS ###");
    expect(leaksIn(texts.join(""))).toEqual([]);
  });

  it("puts nothing secret where git would take it", async () => {
    await execa("git", ["add", "--all"], { cwd: demo.layout.root });
    const { stdout: files } = await execa("git", ["ls-files"], { cwd: demo.layout.root });
    const texts = files.split("\n").filter((file) => !statSync(join(demo.layout.root, file)).isDirectory());
    expect(texts).toContain("stacks/Pulumi.clawdbot-fleet-host.yaml");
    expect(leaksIn(texts.map((file) => readFileSync(join(demo.layout.root, file), "utf8")).join(""))).toEqual([]);
  });

  it("makes .clawdlets private: folders 0700, files 0600", () => {
    const entries = readdirSync(demo.layout.dir, { recursive: true, withFileTypes: true });
    const wide = entries
      .map((entry) => join(entry.parentPath, entry.name))
      .filter(
        (path) => !path.startsWith(demo.layout.state) && !path.endsWith(".pub") && (statSync(path).mode & 0o077) !== 0,
      );
    expect(wide).toEqual([]);
    expect(statSync(demo.layout.state).mode & 0o077).toBe(0);
  });
});

describe("looking again", () => {
  it("changes nothing when nothing changed", async () => {
    const { changes } = await up(demo.layout, demo.host, progress);
    expect(Object.keys(changes)).toEqual(["same"]);
  }, 60_000);

  it("asks Hetzner nothing for a preview without refresh", async () => {
    const before = (await demo.report()).requests;
    expect(Object.keys(await preview(demo.layout, demo.host, false, progress))).toEqual(["same"]);
    expect((await demo.report()).requests).toEqual(before);
  }, 60_000);

  it("keeps every secret out of the engine's most talkative log", async () => {
    const { all } = await pulumi("preview", "-v=9", "--logtostderr", "--refresh=false");
    expect(all).toContain("Plan"); // It did talk.
    expect(leaksIn(all)).toEqual([]);
  }, 60_000);
});

describe("what must never reinstall or replace", () => {
  it("a changed image, location, environment, home, checkout path, server key and cloud-init text change nothing on the host", async () => {
    const before = await serverSeen();
    const files = hostLayoutOf(demo.layout, demo.host);
    await addToStackFile(demo.layout, demo.host, { image: "debian-13", location: "fsn1" });
    await replaceBootstrapKeys(files, demo.host); // Another client key, another host key: another user_data.
    const moved = join(folder, "moved");
    renameSync(demo.layout.root, moved);
    const layout = layoutOf(moved);
    demo = { ...demo, layout };
    process.env["SOME_VARIABLE"] = "changed";
    const home = process.env["HOME"];
    process.env["HOME"] = folder;
    try {
      const { changes } = await up(layout, demo.host, progress);
      expect(Object.keys(changes)).toEqual(["same"]);
      // The user's own Pulumi home is not ours to touch.
      expect(readdirSync(folder)).not.toContain(".pulumi");
    } finally {
      process.env["HOME"] = home;
    }
    expect(await serverSeen()).toMatchObject({ id: before?.id, bootId: before?.bootId, installRuns: 1, diskWipes: 1 });
  }, 60_000);
});

describe("opening on purpose and closing again", () => {
  const expose = (sshExposure: string) => addToStackFile(demo.layout, demo.host, { sshExposure }, ["sshExposure"]);
  const seen = async () => probePort(result.server.ipv4, demo.sshPort, { timeoutMs: 2000 });

  it("opens to the admin networks when the stack says public", async () => {
    await expose("public");
    await up(demo.layout, demo.host, progress);
    expect(await seen()).toBe("open");
  }, 60_000);

  it("really closes when the stack says tailnet again, though the provider never removes a last rule", async () => {
    await expose("tailnet");
    await up(demo.layout, demo.host, progress);
    expect(await seen()).toBe("refused");
    expect((await serverSeen())?.installRuns).toBe(1);
  }, 60_000);

  it("takes back a rule that somebody added in the console", async () => {
    const environment = engineEnvironment(demo.layout, engine ?? ({} as never));
    const { stdout } = await pulumi("stack", "export");
    const firewall = JSON.parse(stdout).deployment.resources.find(
      ({ type }: { type: string }) => type === "hcloud:index/firewall:Firewall",
    );
    const rules = [{ direction: "in", protocol: "tcp", port: "1-1024", source_ips: ["0.0.0.0/0", "::/0"] }];
    const response = await fetch(`${environment["HCLOUD_ENDPOINT"]}/firewalls/${firewall.id}/actions/set_rules`, {
      method: "POST",
      headers: { authorization: `Bearer ${environment["HCLOUD_TOKEN"]}`, "content-type": "application/json" },
      body: JSON.stringify({ rules }),
    });
    expect(response.status).toBe(201);
    await expect.poll(seen).toBe("open");
    await up(demo.layout, demo.host, progress);
    expect(await seen()).toBe("refused");
  }, 60_000);
});

describe("destroying", () => {
  it("is refused to plain pulumi while the host is protected", async () => {
    await addToStackFile(demo.layout, demo.host, { protect: true }, ["protect"]);
    await up(demo.layout, demo.host, progress);
    const refused = await execa(
      engine?.pulumi ?? "pulumi",
      ["destroy", "--yes", "--skip-preview", "--stack", demo.host],
      {
        cwd: demo.layout.root,
        env: engineEnvironment(demo.layout, engine ?? ({} as never)),
        reject: false,
        all: true,
      },
    );
    expect(refused.exitCode).not.toBe(0);
    expect(refused.all).toContain("protected");
    expect(await serverSeen()).toMatchObject({ installRuns: 1, os: "nixos" });
  }, 60_000);

  it("takes a protected host down when it is typed out, and keeps keys and secrets", async () => {
    await destroy(demo.layout, demo.host, progress);
    expect(await serverSeen()).toBeUndefined();
    expect(await plantedSecrets()).toEqual(canaries);
  }, 60_000);
});
