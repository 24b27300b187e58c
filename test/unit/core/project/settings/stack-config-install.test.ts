import { describe, expect, it } from "vitest";
import { problemLine } from "../../../../../core/base/problem.ts";
import { loadHost } from "../../../../../core/project/settings/host.ts";
import { checkStackConfig } from "../../../../../core/project/settings/stack-config/check.ts";
import { project, publicKey, recipient, stackFile } from "../../../../_project.ts";

const least = { serverType: "cx43", ageRecipient: recipient, sshHostKey: publicKey, adminSshKeys: [publicKey] };
const checked = (change: object) => checkStackConfig({ ...least, ...change }, "stacks/Pulumi.web-1.yaml");
const said = (change: object) => checked(change).problems.map((each) => problemLine({ ...each, subject: "" }));
const install = (value: unknown) => checked({ install: value }).value?.install;
const refusals = (value: unknown) => said({ install: value }).join("\n");

const defaults = {
  disk: "/dev/sda",
  buildOn: "auto",
  substituters: [],
  trustedPublicKeys: [],
  options: [],
  deadlines: { kexec: 15, install: 60, reboot: 10, window: 60 },
  mode: "full",
};
const nixKey = `cache.nixos.org-1:${"6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY"}=`;
const nixSecretKey = `cache-1:${"Ab+/".repeat(21)}Ab==`;

describe("the installation's settings", () => {
  it("are all at their defaults where none is given, or some", () => {
    expect(checked({}).value?.install).toEqual(defaults);
    expect(install({})).toEqual(defaults);
    expect(install({ deadlines: { install: 90 } })).toEqual({
      ...defaults,
      deadlines: { ...defaults.deadlines, install: 90 },
    });
  });

  it("are the same from the stack file and, as JSON text, from the engine", () => {
    const given = {
      disk: "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_1",
      buildOn: "remote",
      kexec: "/srv/kexec.tar.gz",
      substituters: ["https://cache.example.org"],
      trustedPublicKeys: [nixKey],
      options: ["--show-trace"],
      deadlines: { kexec: 20, install: 120, reboot: 5, window: 180 },
      mode: "full",
    };
    expect(install(given)).toEqual(given);
    expect(install(JSON.stringify(given))).toEqual(given);
    const layout = project({ stackFile: `${stackFile}  clawdlets:install: ${JSON.stringify(given)}\n` });
    expect(loadHost(layout, "clawdbot-fleet-host", {}).settings.install).toEqual(given);
  });

  const allowed: [setting: string, value: unknown][] = [
    ["disk", "/dev/vda"],
    ["disk", "/dev/nvme0n1"],
    ["disk", "/dev/disk/by-path/pci-0000:06:00.0-scsi-0:0:0:0"],
    ["buildOn", "auto"],
    ["buildOn", "local"],
    ["buildOn", "remote"],
    ["kexec", "https://example.org/kexec.tar.gz"],
    ["kexec", "https://example.org:8443/a/b~c/kexec-x86_64-linux.tar.xz"],
    ["kexec", "/srv/kexec.tar"],
    ["kexec", "/srv/kexec-1.2+3@x.tar.zst"],
    ["substituters", ["https://nix-community.cachix.org", "https://cache.example.org:8443/main/"]],
    ["trustedPublicKeys", [nixKey, nixKey.replace("cache.nixos.org-1", "a")]],
    ["options", ["--print-build-logs", "--show-trace", "--no-substitute-on-destination"]],
    ["options", ["--no-use-machine-substituters"]],
    ["options", []],
  ];
  it.each(allowed)("take %s: %j", (setting, value) => {
    expect(refusals({ [setting]: value })).toBe("");
    expect(install({ [setting]: value })).toEqual({ ...defaults, [setting]: value });
  });

  const anUrl = "allowed: an https URL without user, password or query";
  const aKey = "in it is not a nix public key (not shown, because it may be a secret key)";
  const refused: [setting: string, value: unknown, message: string][] = [
    ["disk", "sda", 'install.disk: is "sda"; allowed: a whole disk, e.g. /dev/sda'],
    ["disk", "/dev/sda; reboot", 'install.disk: is "/dev/sda; reboot"; allowed: a whole disk'],
    ["disk", "/dev/disk/by-id/../../sda", "allowed: a whole disk"],
    ["disk", "/dev/disk/by-label/nixos", "allowed: a whole disk"],
    ["buildOn", "Local", 'install.buildOn: is "Local"; allowed: "auto", "local" or "remote"'],
    ["buildOn", null, 'install.buildOn: is null; allowed: "auto"'],
    ["kexec", "http://example.org/kexec.tar.gz", anUrl],
    ["kexec", "https://example.org/kexec.tar.gz?x=1", anUrl],
    ["kexec", "https://example.org/kexec.zip", anUrl],
    ["kexec", "https://u:p@example.org/kexec.tar.gz", anUrl],
    ["kexec", "https://example.org/$(id).tar.gz", anUrl],
    ["kexec", "https://example.org/a b.tar.gz", anUrl],
    ["kexec", "https://example.org/a.tar.gz\n", anUrl],
    ["kexec", "https://.tar.gz", anUrl],
    ["kexec", "kexec.tar.gz", anUrl],
    ["kexec", "./kexec.tar.gz", anUrl],
    ["kexec", "~/kexec.tar.gz", anUrl],
    ["kexec", "/.tar.gz/", anUrl],
    ["kexec", "--debug", anUrl],
    ["kexec", "", anUrl],
    ["substituters", ["http://cache.example.org"], `install.substituters.0: is "http://cache.example.org"; ${anUrl}`],
    ["substituters", ["https://cache.example.org?trusted=1"], anUrl],
    ["substituters", ["https://u@cache.example.org"], anUrl],
    ["substituters", ["https://a.example https://b.example"], anUrl],
    ["substituters", ["ssh://cache.example.org"], anUrl],
    ["substituters", ["https://"], anUrl],
    ["substituters", "https://cache.example.org", "allowed: a list of https URLs"],
    ["trustedPublicKeys", [nixKey.slice(0, -1)], `number 1 ${aKey}`],
    ["trustedPublicKeys", [nixKey, `${nixKey}=`], `number 2 ${aKey}`],
    ["trustedPublicKeys", [nixKey.replace("Y=", "Z=")], `number 1 ${aKey}`],
    ["trustedPublicKeys", [nixKey.replace(/^.*:/, ":")], `number 1 ${aKey}`],
    ["trustedPublicKeys", [nixKey.replace(/^.*:/, "")], `number 1 ${aKey}`],
    ["trustedPublicKeys", [`${nixKey} ${nixKey}`], `number 1 ${aKey}`],
    ["trustedPublicKeys", [nixSecretKey], `number 1 ${aKey}`],
    ["trustedPublicKeys", [1], "install.trustedPublicKeys.0: is 1; allowed: a nix public key"],
    ["options", ["--debug"], "(not --debug: it prints every ssh command)"],
    ["options", ["--show-trce"], '(did you mean "--show-trace"?)'],
    ["options", ["--show-trace "], "allowed: --print-build-logs"],
    ["options", ["-L"], "allowed: --print-build-logs"],
    ["options", ["constructor"], "allowed: --print-build-logs"],
    ["options", ["--show-trace", "--show-trace"], 'install.options.1: is "--show-trace"; allowed: each option once'],
    ["options", [["--debug"]], "install.options.0: is a list; allowed: --print-build-logs"],
    ["options", "--show-trace", "allowed: a list of options of nixos-anywhere"],
    ...[
      "--ssh-option",
      "--ssh-option=StrictHostKeyChecking=no",
      "--ssh-option X=y",
      "-i",
      "-p",
      "--copy-host-keys",
    ].map((option): [string, unknown, string] => ["options", [option], `(not ${option.split(/[ =]/)[0]}: `]),
    ...["--extra-files", "--phases", "--env-password", "--target-host", "--flake", "-f", "--ssh-port"].map(
      (option): [string, unknown, string] => ["options", [option], `(not ${option}: `],
    ),
    [
      "deadlines",
      15,
      "install.deadlines: is 15; allowed: an object with kexec, install, reboot and window, in minutes",
    ],
    ["buildon", "auto", 'install.buildon: unknown setting (did you mean "buildOn"?)'],
    ["deadlines", { rebot: 1 }, 'install.deadlines.rebot: unknown setting (did you mean "reboot"?)'],
    ["protect", true, "install.protect: unknown setting. Remove it"],
    ["diskDevice", "/dev/sda", "install.diskDevice: unknown setting"],
  ];
  it.each(refused)("refuse %s: %j", (setting, value, message) => {
    for (const form of [{ [setting]: value }, JSON.stringify({ [setting]: value })]) {
      const found = refusals(form);
      expect(found).toContain(message);
      expect(found).toMatch(/^clawdlets:install\./);
      expect(found).not.toContain("Invalid");
      expect(found).not.toContain("missing");
      expect(found).not.toContain(nixSecretKey.slice(8, 40));
      expect(found).not.toMatch(/[^\P{Cc}\n]/u);
    }
  });

  const minutes: [value: unknown, taken: number | undefined][] = [
    [0, undefined],
    [1, 1],
    [240, 240],
    [241, undefined],
    [1.5, undefined],
    [-1, undefined],
    ["1", 1],
    ["240", 240],
    ["241", undefined],
    ["0", undefined],
    ["01", undefined],
    ["1e1", undefined],
    ["15 minutes", undefined],
    [true, undefined],
    [[15], undefined],
    [null, undefined],
    [Number.NaN, undefined],
  ];
  it.each(
    minutes.flatMap(([value, taken]) =>
      (["kexec", "install", "reboot"] as const).map((phase) => ({ phase, value, taken })),
    ),
  )("take $value for the minutes of $phase as $taken", ({ phase, value, taken }) => {
    expect(install({ deadlines: { [phase]: value } })?.deadlines[phase]).toBe(taken);
    if (taken === undefined) {
      expect(refusals({ deadlines: { [phase]: value } })).toContain(`install.deadlines.${phase}: is `);
      expect(refusals({ deadlines: { [phase]: value } })).toContain("allowed: whole minutes, 1 to 240");
    }
  });

  it.each([["a text"], ["[]"], [[]], [null], [5], ['{"buildOn": "local"']])("refuse %j in their place", (value) => {
    expect(refusals(value)).toContain("; allowed: an object with disk, buildOn, kexec, ");
  });

  it("say everything that is wrong at once", () => {
    const wrong = { buildOn: "x", kexec: "y", deadlines: { kexec: 0, reboot: 999 } };
    expect(said({ install: wrong, serverType: 5 })).toHaveLength(5);
  });
});

it("shows an item of a list that came as JSON text as it was checked, not as missing", () => {
  expect(said({ bots: '["Maren"]' }).join()).toContain('clawdlets:bots.0: is "Maren"; allowed: ');
});
