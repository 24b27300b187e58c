import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../_needs.ts";
import { stage } from "../order/stage.ts";
import { type KeyPair, type Lab, newKey, newServer, reportOf, ssh, startLab, until, userDataWith } from "./_lab.ts";

/** The real nix of this machine, which holds a conversation with the emulated machine: `nix-store --serve`. */
describeWith({ programs: ["nix", "nix-store", "ssh"] }, "nix copy to an emulated machine", () => {
  let lab: Lab;
  let keys: { client: KeyPair; host: KeyPair };
  beforeAll(async () => {
    lab = await startLab();
    keys = { client: await newKey(lab, "client"), host: await newKey(lab, "host") };
  });
  afterAll(() => lab.stop());

  const store = () => `local?root=${join(lab.dir, "store")}`;
  const nix = (args: string[], host?: string) =>
    execa("nix", ["--extra-experimental-features", "nix-command", ...args], {
      reject: false,
      all: true,
      timeout: 60_000,
      env: {
        HOME: lab.dir,
        TMPDIR: lab.dir,
        ...(host !== undefined && {
          NIX_SSHOPTS: [
            `-F none -p ${lab.emulator.sshPort} -i ${keys.client.file} -oIdentitiesOnly=yes -oIdentityAgent=none`,
            `-oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null`,
          ].join(" "),
        }),
      },
    });
  const run = async (host: string, command: string) => {
    const { status, stdout } = await ssh(lab, { user: "root", host, key: keys.client, hostKey: keys.host }, command);
    return [status, stdout.toString()];
  };

  const connectionsTo = (host: string) =>
    lab.emulator.report().servers.find(({ ipv4 }) => ipv4 === host)?.connectionsAccepted ?? 0;

  /** Two paths, one of which refers to the other, in a store of the operator's own. */
  const built = stage(async () => {
    const [small, system] = [join(lab.dir, "small"), join(lab.dir, "system")];
    mkdirSync(small);
    writeFileSync(join(small, "program"), "#!/bin/sh\necho ran\n", { mode: 0o755 });
    const added = await nix(["store", "add-path", "--store", store(), small]);
    expect(added.exitCode, added.all).toBe(0);
    mkdirSync(join(system, "etc"), { recursive: true });
    writeFileSync(join(system, "etc", "bytes"), Buffer.alloc(3_000_000, "\0\xff\r\n", "latin1"));
    symlinkSync(`${added.stdout}/program`, join(system, "program"));
    const whole = await nix(["store", "add-path", "--store", store(), system]);
    expect(whole.exitCode, whole.all).toBe(0);
    return { small: added.stdout, system: whole.stdout };
  });

  const installer = async (name: string) => {
    const server = await newServer(lab, name, { user_data: userDataWith(keys.host, keys.client) });
    const { bootId } = reportOf(lab, server.id);
    await run(server.ipv4, "kexec");
    const isUp = () => reportOf(lab, server.id).isAnswering && reportOf(lab, server.id).bootId !== bootId;
    await until("the installer is up", isUp);
    await run(server.ipv4, "disko");
    return server.ipv4;
  };

  test("the installer receives what was built, in the store below /mnt, with modes, links and bytes", async () => {
    const { small, system } = await built();
    const host = await installer("receives");
    const to = `ssh://root@${host}?remote-store=local%3Froot=/mnt`;
    const copy = await nix(["copy", "--from", store(), "--no-check-sigs", "--to", to, small, system], host);
    expect(copy.exitCode, copy.all).toBe(0);
    expect(await run(host, `stat -c '%a %u' /mnt${small}/program && cat /mnt${small}/program`)).toEqual([
      0,
      "555 0\n#!/bin/sh\necho ran\n",
    ]);
    expect(await run(host, `readlink /mnt${system}/program; wc -c < /mnt${system}/etc/bytes`)).toEqual([
      0,
      `${small}/program\n3000000\n`,
    ]);
  }, 120_000);

  test("Debian, which has no nix, says so at once", async () => {
    const { ipv4 } = await newServer(lab, "debian", { user_data: userDataWith(keys.host, keys.client) });
    const { small } = await built();
    const copy = await nix(["copy", "--from", store(), "--no-check-sigs", "--to", `ssh://root@${ipv4}`, small], ipv4);
    expect(copy.exitCode).toBe(1);
    expect(copy.all).toContain("nix-store: command not found");
  }, 120_000);

  test("a copy that is killed does not hinder the next one", async () => {
    const { small, system } = await built();
    const host = await installer("killed");
    const to = `ssh://root@${host}?remote-store=local%3Froot=/mnt`;
    const before = connectionsTo(host);
    const stopped = nix(["copy", "--from", store(), "--no-check-sigs", "--to", to, system], host);
    await until("it is connected", () => connectionsTo(host) > before);
    stopped.kill("SIGKILL");
    await stopped;
    const copy = await nix(["copy", "--from", store(), "--no-check-sigs", "--to", to, small, system], host);
    expect(copy.exitCode, copy.all).toBe(0);
    expect(await run(host, `wc -c < /mnt${system}/etc/bytes`)).toEqual([0, "3000000\n"]);
  }, 120_000);
});
