import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { until } from "../emulator/_lab.ts";
import { bakeLab } from "./_bake-lab.ts";

/** `clawdlets image bake` from a network that has only IPv6, by the real command. */
let lab: Awaited<ReturnType<typeof bakeLab>>;
beforeAll(async () => {
  lab = await bakeLab();
  const { layout, host } = lab.demo;
  const entry = readFileSync(layout.stackJson, "utf8");
  expect(entry).toContain('"127.0.0.1/32"');
  writeFileSync(layout.stackJson, entry.replace('"127.0.0.1/32"', '"::1/128"'), { mode: 0o600 });
  await addToStackFile(layout, host, { install: { kexec: await kexecImage() } }, ["install"]);
}, 120_000);
afterAll(() => lab?.stop());

/** What nixos-anywhere unpacks on the server. */
async function kexecImage(): Promise<string> {
  const folder = join(lab.data, "..", "image");
  mkdirSync(join(folder, "kexec"), { recursive: true });
  writeFileSync(join(folder, "kexec", "run"), "#!/bin/sh\nexec kexec --load-and-run\n", { mode: 0o755 });
  const file = `${folder}.tar.gz`;
  await execa("tar", ["-czf", file, "-C", folder, "kexec"]);
  return file;
}

it("lets in that network alone, installs over IPv6, and leaves nothing but the snapshot", async () => {
  const running = lab.clawdlets("image", "bake", "--json");
  const seen = { servers: [] as unknown[], firewalls: [] as unknown[] };
  const ofKind = async (kind: string) => (await lab.api("GET", `/${kind}`)).body[kind];
  void running.then(() => seen.servers.push("ended"));
  await until(
    "the temporary server is there",
    async () => {
      if (seen.servers.length === 0) seen.servers.push(...(await ofKind("servers")));
      if (seen.firewalls.length === 0) seen.firewalls.push(...(await ofKind("firewalls")));
      return seen.servers.length > 0;
    },
    60,
  );
  expect(seen.servers).toMatchObject([{ public_net: { ipv4: null, ipv6: { ip: "::/64" } } }]);
  const rules = [{ direction: "in", protocol: "tcp", port: "22", source_ips: ["::1/128"] }];
  expect(seen.firewalls).toMatchObject([{ rules }]);
  const { exitCode, stdout, all } = await running;
  expect(exitCode, all).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, host: lab.demo.host, architecture: "x86" });
  expect(await lab.left()).toEqual([0, 0, 0, 1]);
}, 240_000);
