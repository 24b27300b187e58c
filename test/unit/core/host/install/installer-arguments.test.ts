import { describe, expect, it } from "vitest";
import { type InstallerRun, installerArguments } from "../../../../../core/host/install/installer-arguments.ts";
import { checkStackConfig } from "../../../../../core/project/settings/stack-config/check.ts";
import { installerOptions } from "../../../../../core/project/settings/stack-config/install.ts";
import { parseArguments } from "../../../../../emulator/stand-ins/anywhere/arguments.ts";
import { publicKey, recipient } from "../../../../_project.ts";

const nixKey = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

/** The settings as they come from a stack file. */
function settings(install: object): InstallerRun["install"] {
  const least = { serverType: "cx43", ageRecipient: recipient, sshHostKey: publicKey, adminSshKeys: [publicKey] };
  const { value, problems } = checkStackConfig({ ...least, install }, "x");
  if (!value) throw new Error(JSON.stringify(problems));
  return value.install;
}

const run = {
  phases: "kexec",
  flake: "git+file:///srv/hosts?rev=0123#web-1",
  destination: "203.0.113.7",
  identity: "/p/.clawdlets/hosts/web-1/ssh/key",
  extraFiles: "/p/staging",
};
const always = ["--flake", run.flake, "--target-host", "root@203.0.113.7", "-i", run.identity, "--phases"];
const args = (install: object, change: Partial<InstallerRun> = {}) =>
  installerArguments({ ...run, ...change, install: settings(install) });

describe("the command line of nixos-anywhere", () => {
  it.each([
    ["kexec", []],
    ["disko,install", ["--extra-files", run.extraFiles]],
    ["install", ["--extra-files", run.extraFiles]],
    ["disko", []],
    ["reboot", []],
  ])("has for the phase %s no more than it needs", (phases, more) => {
    expect(args({}, { phases })).toEqual([...always, phases, ...more]);
  });

  it("sends no files where there are none", () => {
    const { extraFiles: _, ...without } = run;
    const argv = installerArguments({ ...without, phases: "install", install: settings({}) });
    expect(argv).toEqual([...always, "install"]);
  });

  const added: [install: object, flags: string[]][] = [
    [{ buildOn: "auto" }, []],
    [{ buildOn: "local" }, ["--build-on", "local"]],
    [{ buildOn: "remote" }, ["--build-on", "remote"]],
    [{ kexec: "https://example.org/k.tar.gz" }, ["--kexec", "https://example.org/k.tar.gz"]],
    [{ kexec: "/srv/k.tar" }, ["--kexec", "/srv/k.tar"]],
    [
      { substituters: ["https://a.example", "https://b.example"] },
      ["--option", "extra-substituters", "https://a.example https://b.example"],
    ],
    [{ trustedPublicKeys: [nixKey] }, ["--option", "extra-trusted-public-keys", nixKey]],
    [{ options: installerOptions }, [...installerOptions]],
    [{ deadlines: { kexec: 20 } }, []],
  ];
  it.each(added)("has for %j just %j more", (install, flags) => {
    for (const phases of ["kexec", "reboot"]) expect(args(install, { phases })).toEqual([...always, phases, ...flags]);
  });

  it("is understood by nixos-anywhere as it is meant, with everything set", () => {
    const install = {
      buildOn: "remote",
      kexec: "/srv/k.tar.gz",
      substituters: ["https://a.example", "https://b.example"],
      trustedPublicKeys: [nixKey],
      options: installerOptions,
    };
    expect(parseArguments(args(install, { phases: "disko,install" }), () => undefined)).toMatchObject({
      flake: { uri: "git+file:///srv/hosts?rev=0123", attribute: "web-1" },
      host: "root@203.0.113.7",
      identity: run.identity,
      kexecUrl: "/srv/k.tar.gz",
      extraFiles: run.extraFiles,
      phases: new Set(["disko", "install"]),
      sshOptions: [],
      copyHostKeys: false,
      debug: false,
    });
  });
});
