import { statSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import { commandLinesWith } from "./_command-lines.ts";
import { controlUrl } from "./_control.ts";
import { needs, TailnetLab } from "./_lab.ts";

describeWith(needs, "a host joins its tailnet", () => {
  let lab: TailnetLab;
  beforeAll(async () => {
    lab = await TailnetLab.start();
  }, 900_000);
  afterAll(() => lab?.stop());

  it("with its key on no command line, and says so to everyone", async () => {
    const host = await lab.machine("web-1");
    const key = await lab.mint();
    const { found, result } = await commandLinesWith(key, host.join(key));
    expect(result).toEqual({ exitCode: 0, said: "clawdlets-tailnet: joined", state: "joined" });
    expect([...found]).toEqual([]);
    expect((await host.status()).BackendState).toBe("Running");
    expect(statSync(host.stateFile).mode & 0o777).toBe(0o644);
  });

  it("unlike with the key itself as an argument, which any local user reads", async () => {
    const host = await lab.machine("web-2");
    const key = await lab.mint();
    const up = host.command("up", "--auth-key", key, "--login-server", controlUrl, "--hostname=web-2");
    const { found, result } = await commandLinesWith(key, up);
    expect(result.exitCode).toBe(0);
    expect([...found].join("\n")).toContain(`--auth-key ${key}`);
  });

  it("once: in the tailnet, it needs no key and changes no node", async () => {
    const host = await lab.machine("web-3");
    await host.joined();
    const before = (await host.status()).Self;
    expect(await host.join("")).toMatchObject({ exitCode: 0, state: "joined" });
    expect((await host.status()).Self).toMatchObject({ ID: before.ID, PublicKey: before.PublicKey });
  });

  it("and has Tailscale SSH as declared from then on, also switched off", async () => {
    const host = await lab.machine("web-4");
    await host.joined({ SSH: "true" });
    expect(await host.preferences()).toMatchObject({ RunSSH: true });
    expect(await host.join(undefined, { SSH: "false" })).toMatchObject({ exitCode: 0 });
    expect(await host.preferences()).toMatchObject({ RunSSH: false });
    await host.join(undefined, { SSH: "true" });
    expect(await host.preferences()).toMatchObject({ RunSSH: true });
  });

  it("again after `tailscale down`, without its key, whatever its preferences have become", async () => {
    const host = await lab.machine("web-5");
    await host.joined();
    await host.command("set", "--accept-routes", "--shields-up");
    await host.command("down");
    const { exitCode, said } = await host.join("hskey-auth-canary0123456789");
    expect({ exitCode, said }).toEqual({ exitCode: 0, said: "clawdlets-tailnet: joined" });
    expect(await host.preferences()).toMatchObject({ RouteAll: false, ShieldsUp: false, WantRunning: true });
  });

  it("not with a spent key, and with the next one that the same file holds", async () => {
    const [first, host] = [await lab.machine("web-6"), await lab.machine("web-7")];
    const spent = await lab.mint();
    await first.join(spent);
    expect(await host.join(spent)).toMatchObject({
      exitCode: 1,
      state: "not joined: backend error: authkey already used",
    });
    expect(await host.join()).toMatchObject({ exitCode: 1 });
    expect(await host.join(await lab.mint())).toMatchObject({ exitCode: 0, state: "joined" });
  });

  it("not with an expired, an unknown or an empty key, and never shows it", async () => {
    const host = await lab.machine("web-8");
    const expired = await lab.mint("--expiration", "1ms");
    for (const [key, reason] of [
      [expired, /authkey expired/],
      ["hskey-auth-canary012345-0123456789canary", /./],
      ["", /no key in .*check the unit sops-install-secrets/],
    ] as const) {
      const { exitCode, said, state } = await host.join(key);
      expect(exitCode).toBe(1);
      expect(state).toMatch(/^not joined: /);
      expect(state).toMatch(reason);
      if (key !== "") expect(said + state).not.toContain(key);
    }
  });

  it("again with a reusable key after it was logged out, and after its node key expired", async () => {
    const host = await lab.machine("web-9");
    await host.join(await lab.mint("--reusable"));
    await host.command("logout");
    await host.untilIn("NeedsLogin");
    expect(await host.join()).toMatchObject({ exitCode: 0 });
    await lab.headscale("nodes", "expire", "--identifier", await lab.nodeOf(host));
    await host.untilIn("NeedsLogin");
    expect(await host.join()).toMatchObject({ exitCode: 0, state: "joined" });
    expect((await host.status()).BackendState).toBe("Running");
  });

  it("waits for a person where no key is declared", async () => {
    const host = await lab.machine("web-10");
    const { exitCode, state } = await host.join(undefined, { AUTH_KEY_FILE: "" });
    expect(exitCode).toBe(0);
    expect(state).toBe(
      "not joined: no auth key is declared; at the console: sudo tailscale up --reset --login-server=https://control.test:8443",
    );
  });

  it("says that tailscaled does not answer", async () => {
    const host = await lab.machine("web-11");
    await host.stop();
    expect(await host.join("x", { JOIN_SECONDS: "1" })).toMatchObject({
      exitCode: 1,
      state: "not joined: tailscaled does not answer",
    });
  });

  it("once the control server answers that was down at first", async () => {
    const host = await lab.machine("web-12");
    const known = await lab.machine("web-13");
    await known.joined();
    const key = await lab.mint();
    await lab.stopControl();
    try {
      const refused = await host.join(key, { JOIN_SECONDS: "3" });
      expect(refused.state).toBe("not joined: no login within 3 s; does the control server answer?");
      expect(refused.exitCode).toBe(1);
      // A host that is in the tailnet and boots meanwhile: its key is not used up for this.
      await known.stop();
      await known.start();
      // tailscaled is in the tailnet already if it has kept the last network map, else it waits for the control server.
      const { state } = await known.join(key, { JOIN_SECONDS: "2" });
      expect(state).toMatch(/^(joined|not joined: (NoState|Starting) for 2 s; is the control server down\?)$/);
    } finally {
      await lab.startControl();
    }
    expect(await host.join()).toMatchObject({ exitCode: 0, state: "joined" });
    expect(await known.join("")).toMatchObject({ exitCode: 0, state: "joined" });
  }, 120_000);
});
