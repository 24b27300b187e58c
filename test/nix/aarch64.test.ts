import { expect, it } from "vitest";
import { describeWith } from "../_needs.ts";
import { adminKey } from "./_host.ts";
import { evaluate, nixString } from "./_nix.ts";

/** A host with all our modules, as it is evaluated for each system. */
const settings = `{ pkgs, ... }: { clawdlets = {
  hostName = "web-1"; adminSshKeys = [ "${adminKey}" ]; tailnet.mode = "tailscale"; secrets.names = [ "openai" ];
  operator.rebuild = { enable = true; flakeBase = "github:you/hosts"; };
  backups.repository = "s3:https://nbg1.your-objectstorage.com/backups/web-1";
  egress = { mode = "proxy-allowlist"; proxy.allowedDomains = [ "api.example.com" ]; };
  bots.maren = { package = pkgs.hello; command = "hello"; envSecrets.KEY = "openai"; };
}; }`;

// biome-ignore lint/suspicious/noExplicitAny: the configuration of a whole NixOS host.
const hostOf = async (system: string, more = "{ }"): Promise<any> =>
  await evaluate(`import ./test/nix/eval/host.nix { system = "${system}"; modules = [ (${settings}) (${more}) ]; }`);

/** Paths of the values that differ. */
function differences(a: unknown, b: unknown, path = ""): string[] {
  if (JSON.stringify(a) === JSON.stringify(b)) return [];
  const isNested = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isNested(a) || !isNested(b)) return [path];
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return keys.flatMap((key) => differences(left[key], right[key], path === "" ? key : `${path}.${key}`));
}

describeWith({ programs: ["nix-instantiate"] }, "a host on ARM", () => {
  it("differs from one on x86 in how it boots, and in nothing else", async () => {
    const [x86, arm] = [await hostOf("x86_64-linux"), await hostOf("aarch64-linux")];
    expect([x86.refused, arm.refused, arm.warnings]).toEqual([[], [], x86.warnings]);
    expect(differences(x86.config, arm.config).sort()).toEqual([
      "assertions", // Messages that quote GRUB's devices; what is refused is compared above.
      "boot.initrd.kernelModules",
      "boot.kernelParams",
      "boot.loader.efi.canTouchEfiVariables",
      "boot.loader.grub.devices",
      "boot.loader.grub.enable",
      "boot.loader.systemd-boot.enable",
      "disko.devices.disk.main.content.partitions.bios",
      "disko.devices.disk.main.content.partitions.esp",
    ]);
  });

  it.each([
    ["a disk that was never named", '{ clawdlets.diskDevice = "/dev/disk/by-id/CHANGE_ME"; }', "diskDevice is"],
    ["nobody who could log in", "{ lib, ... }: { clawdlets.adminSshKeys = lib.mkForce [ ]; }", "adminSshKeys is empty"],
    ["secrets in the store", '{ clawdlets.secrets.hostDir = "/nix/store/abc"; }', "outside /nix/store"],
    ["sshd on another port alone", "{ services.openssh.ports = [ 2222 ]; }", "Add 22"],
    ["another firewall", '{ networking.firewall.backend = "firewalld"; }', "without its firewall rules"],
    ["sudo for wheel alone", "{ security.sudo.execWheelOnly = true; }", "admin, who is not in wheel"],
    ["a bot's command from nowhere", '{ clawdlets.bots.rex.command = "rex"; }', "an absolute path, or a program of"],
  ])("is refused as on x86: %s", async (_, module, message) => {
    const [x86, arm] = [await hostOf("x86_64-linux", module), await hostOf("aarch64-linux", module)];
    expect(arm.refused.join("\n")).toContain(message);
    expect(arm.refused).toEqual(x86.refused);
  });

  it("boots by UEFI from an ESP that only root reads, with no shell at the console", async () => {
    const { config } = await hostOf("aarch64-linux", '{ clawdlets.diskDevice = "/dev/vda"; }');
    expect(config.boot.loader).toMatchObject({
      grub: { enable: false, devices: [] },
      "systemd-boot": { enable: true, editor: false, configurationLimit: 10 },
      efi: { canTouchEfiVariables: true },
    });
    const { main } = config.disko.devices.disk;
    expect(main.device).toBe("/dev/vda");
    expect(Object.keys(main.content.partitions)).toEqual(["esp", "root"]);
    expect(main.content.partitions.esp).toMatchObject({
      size: "1G",
      type: "EF00",
      content: { format: "vfat", mountpoint: "/boot", mountOptions: ["umask=0077"] },
    });
    expect(config.boot.initrd.kernelModules).toEqual(["virtio_gpu"]);
  });

  it("still has BIOS and GRUB on x86", async () => {
    const { config } = await hostOf("x86_64-linux");
    expect(config.boot.loader.grub).toMatchObject({ enable: true, devices: ["/dev/sda"] });
    expect(config.disko.devices.disk.main.content.partitions).toMatchObject({ bios: { size: "1M", type: "EF02" } });
  });

  it.each([
    ["cx43", "x86_64-linux"],
    ["cpx32", "x86_64-linux"],
    ["ccx13", "x86_64-linux"],
    ["cax11", "aarch64-linux"],
    ["cax41", "aarch64-linux"],
  ])("has the system of its server type: %s is %s", async (type, system) => {
    const file = `config:\n  clawdlets:serverType: ${type}\n  clawdlets:adminSshKeys: ["${adminKey}"]\n`;
    const read = `(import ./nix/lib/stacks.nix).read "stacks/Pulumi.web-1.yaml" ${nixString(file)}`;
    expect(await evaluate(`(${read}).system`)).toBe(system);
  });
});
