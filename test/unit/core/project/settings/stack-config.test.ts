import { describe, expect, it } from "vitest";
import { problemLine } from "../../../../../core/base/problem.ts";
import { checkStackConfig } from "../../../../../core/project/settings/stack-config/check.ts";
import { publicKey, recipient, token } from "../../../../_project.ts";

const least = { serverType: "cx43", ageRecipient: recipient, sshHostKey: publicKey, adminSshKeys: [publicKey] };
const check = (change: object) => checkStackConfig({ ...least, ...change }, "stacks/Pulumi.web-1.yaml");
const said = (change: object) => check(change).problems.map((each) => problemLine({ ...each, subject: "" }));

describe("the settings of a stack file", () => {
  it.each([
    [undefined, "debian-12"],
    [161547269, "161547269"],
    ["161547269", "161547269"],
  ])("reads %j as the image %j, from the engine as text too", (image, read) => {
    expect(check({ image }).value?.image).toBe(read);
  });

  it.each([
    0,
    -1,
    1.5,
    1e300,
    "0",
    "-1",
    "0x1",
    "007",
    "9007199254740993",
    "99999999999999999999",
    "debian 12",
    " debian-12",
    "debian-12 ",
    "Debian-12",
    "",
    " ",
    [1],
    null,
  ])("takes no %j for an image", (image) => {
    expect(said({ image }).join()).toContain("or a snapshot's id");
  });

  it.each([
    [undefined, "nbg1"],
    ["hel1", "hel1"],
    [["hel1"], ["hel1"]],
    [
      ["nbg1", "fsn1"],
      ["nbg1", "fsn1"],
    ],
    ['["nbg1","fsn1"]', ["nbg1", "fsn1"]],
  ])("reads %j as the location %j, from the engine as text too", (location, read) => {
    expect(check({ location }).value?.location).toEqual(read);
  });

  // A number that is not 0 WIPES THE DISK: `true`, `[1]` and "0x1" would all have become one.
  it.each([
    true,
    false,
    null,
    "",
    " ",
    "0x1",
    "1e0",
    "1.0",
    "01",
    "-1",
    "+1",
    -1,
    1.5,
    1e300,
    [[1]],
    [[]],
    {},
    "a",
    Number.NaN,
  ])("takes no %j for a count of reinstallations", (reinstall) =>
    expect(said({ reinstall }).join()).toContain("clawdlets:reinstall: "),
  );

  it.each([
    [undefined, 0],
    [0, 0],
    [2, 2],
    ["0", 0],
    ["12", 12],
  ])("reads %j as %i reinstallations, from the engine as text too", (reinstall, count) => {
    expect(check({ reinstall }).value?.reinstall).toBe(count);
  });

  it.each([
    [{ serverType: "cax11", serverTypes: ["cax21", "cax31"] }],
    [{ serverType: "cax11", install: { kexec: "/srv/x86_64/kexec-aarch64-linux.tar.gz" } }],
    [{ install: { kexec: "https://example.org/kexec-x86_64-linux.tar.gz" } }],
    [{ serverTypes: [] }],
    [{ serverTypes: "[]" }],
  ])("takes %j, which is for one architecture", (change) => expect(said(change)).toEqual([]));

  it.each([
    [{ serverType: 5 }, "clawdlets:serverType: is 5; allowed: a Hetzner server type"],
    [{ location: 5 }, "clawdlets:location: is 5; allowed: a Hetzner location"],
    [{ location: [] }, "clawdlets:location: is an empty list; allowed: a Hetzner location"],
    [{ location: "[]" }, "clawdlets:location: is an empty list; allowed: a Hetzner location"],
    [{ location: {} }, "clawdlets:location: is an object; allowed: a Hetzner location"],
    [{ location: "NBG1" }, 'clawdlets:location: is "NBG1"; allowed: a Hetzner location'],
    [{ location: " nbg1" }, 'clawdlets:location: is " nbg1"; allowed: a Hetzner location'],
    [{ location: ["nbg1 ", "fsn1"] }, 'clawdlets:location.0: is "nbg1 "; allowed: a Hetzner location'],
    [{ location: ["nbg1", "NBG1"] }, 'clawdlets:location.1: is "NBG1"; allowed: a Hetzner location'],
    [{ location: "eu-central" }, 'clawdlets:location: is "eu-central"; allowed: a Hetzner location'],
    [{ location: "nbg1-dc3" }, 'clawdlets:location: is "nbg1-dc3"; allowed: a Hetzner location'],
    [{ serverType: "CX43" }, 'clawdlets:serverType: is "CX43"; allowed: a Hetzner server type'],
    [{ serverTypes: [" cx53"] }, 'clawdlets:serverTypes.0: is " cx53"; allowed: a Hetzner server type'],
    [{ location: "nbg1,fsn1" }, 'clawdlets:location: is "nbg1,fsn1"; allowed: a Hetzner location'],
    [{ location: ["nbg1", "fsn1", "nbg1"] }, 'clawdlets:location.2: is "nbg1"; allowed: each location once'],
    [{ location: [[]] }, "clawdlets:location.0: is an empty list; allowed: a Hetzner location"],
    [{ serverType: ["cx43", "cx53"] }, "clawdlets:serverType: is a list; allowed: a Hetzner server type"],
    [{ serverTypes: "cx53" }, 'clawdlets:serverTypes: is "cx53"; allowed: a list of Hetzner server types'],
    [{ serverTypes: {} }, "clawdlets:serverTypes: is an object; allowed: a list of Hetzner server types"],
    [{ serverTypes: null }, "clawdlets:serverTypes: is null; allowed: a list of Hetzner server types"],
    [{ serverTypes: ["cx53", 5] }, "clawdlets:serverTypes.1: is 5; allowed: a Hetzner server type"],
    [{ serverTypes: ["cx43"] }, 'clawdlets:serverTypes.0: is "cx43", which is serverType, and always tried first'],
    [{ serverTypes: '["cx53","cx43"]' }, 'clawdlets:serverTypes.1: is "cx43", which is serverType, and always tried'],
    [{ location: ["nbg1", "Berlin"] }, 'clawdlets:location.1: is "Berlin"; allowed: a Hetzner location'],
    [{ location: ["nbg1", 3] }, "clawdlets:location.1: is 3; allowed: a Hetzner location"],
    [{ location: '["nbg1", "Berlin"]' }, 'clawdlets:location.1: is "Berlin"; allowed: a Hetzner location'],
    [{ location: ["nbg1", "nbg1"] }, 'clawdlets:location.1: is "nbg1"; allowed: each location once'],
    [
      { serverTypes: ["cx53", "cax21"] },
      'clawdlets:serverTypes.1: is "cax21", which is arm, but serverType "cx43" is x86',
    ],
    [{ serverType: "cax11", serverTypes: ["cx53"] }, 'is "cx53", which is x86, but serverType "cax11" is arm'],
    [
      { install: { kexec: "/srv/kexec-aarch64-linux.tar.gz" } },
      "clawdlets:install.kexec: is kexec-aarch64-linux.tar.gz",
    ],
    [
      { serverType: "cax11", install: { kexec: "https://e.org/x86_64/kexec-amd64.tar" } },
      "another architecture than arm",
    ],
    [{ serverTypes: ["cx53", "cx53"] }, 'clawdlets:serverTypes.1: is "cx53"; allowed: each type once'],
    [{ image: true }, "clawdlets:image: is true; allowed: a Hetzner system image by name"],
    [{ flake: {} }, "clawdlets:flake: is an object; allowed: a flake URI"],
    [
      { firewallRules: [{ protocol: "tcp", port: 22, sourceIps: ["0.0.0.0/0"] }] },
      "clawdlets:firewallRules.0: opens TCP/22; allowed: ports without 22",
    ],
    [{ flakeHost: null }, "clawdlets:flakeHost: is null; allowed: a nixosConfigurations attribute"],
    [{ ageRecipient: 7 }, "clawdlets:ageRecipient: is 7; allowed: an age X25519 recipient"],
    [{ sshHostKey: ["k"] }, "clawdlets:sshHostKey: is a list; allowed: one OpenSSH public key line"],
    [{ bots: [1] }, "clawdlets:bots.0: is 1; allowed: at most 27 characters"],
    [
      { bots: ["a".repeat(28)] },
      `clawdlets:bots.0: is "${"a".repeat(28)}"; allowed: at most 27 characters: a lowercase`,
    ],
    [
      { backups: { repository: "s3:https://s3.example.com/b", skip: ["a".repeat(28)] } },
      `clawdlets:backups.skip.0: is "${"a".repeat(28)}"; allowed: at most 27 characters`,
    ],
    [{ bots: "[1" }, 'clawdlets:bots: is "[1"; allowed: a list of bot names'],
    [{ secrets: { a: 1 } }, "clawdlets:secrets: is an object; allowed: a list of secret names"],
    [{ secrets: ["sops"] }, 'clawdlets:secrets.0: is "sops"; allowed: a lowercase letter'],
    [{ secrets: ["key_unencrypted"] }, 'clawdlets:secrets.0: is "key_unencrypted"; allowed: a lowercase letter'],
    [{ bots: ["a_unencrypted"] }, 'clawdlets:bots.0: is "a_unencrypted"; allowed: at most 27 characters'],
    [{ bots: ["a", "a"] }, 'clawdlets:bots.1: is "a"; allowed: each name once'],
    [{ secrets: ["x", "y", "x"] }, 'clawdlets:secrets.2: is "x"; allowed: each name once'],
    [{ flake: "--impure" }, 'clawdlets:flake: is "--impure"; allowed: a flake URI'],
    [{ flake: "github:a/b\n" }, 'clawdlets:flake: is "github:a/b\\n"; allowed: a flake URI'],
    [{ sshHostKey: `${publicKey}\u001b[2J` }, "clawdlets:sshHostKey: is "],
    [{ constructor: 1 }, "clawdlets:constructor: unknown setting"],
    [{ protect: "no" }, 'clawdlets:protect: is "no"; allowed: true or false'],
  ])("refuses %j in words of its own", (change, message) => {
    const found = said(change).join("\n");
    expect(found).toContain(message);
    expect(found).not.toContain("Invalid input");
    expect(found).not.toMatch(/[^\P{Cc}\n]/u);
  });

  it("shows no token that strayed into it", () => {
    expect(said({ flakeHost: token, [token]: 1 }).join()).not.toContain(token);
  });

  it("quotes a wrong public key and a wrong recipient, which anybody may know", () => {
    expect(said({ ageRecipient: publicKey }).join()).toContain(publicKey);
    expect(said({ sshHostKey: recipient }).join()).toContain(recipient);
  });
});
