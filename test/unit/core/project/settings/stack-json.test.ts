import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { problemLine, problemSentence } from "../../../../../core/base/problem.ts";
import { readLocal } from "../../../../../core/project/settings/host.ts";
import { parseStackJson, readStackJson } from "../../../../../core/project/settings/stack-json/stack-json.ts";
import { project, publicKey, token, upstreamStack } from "../../../../_project.ts";

const host = "clawdbot-fleet-host";
const entry = upstreamStack.hosts[host];
const withHost = (change: object) => ({ ...upstreamStack, hosts: { [host]: { ...entry, ...change } } });
const withSecrets = (change: object) => withHost({ secrets: { ...entry.secrets, ...change } });
const withKeyFile = (sshPubkeyFile: string) => withHost({ opentofu: { ...entry.opentofu, sshPubkeyFile } });

/** What `readStackJson` says of a file with this content, one line a problem. */
function said(stack: unknown): string[] {
  return readStackJson(project({ stack })).problems.map(problemLine);
}

describe("stack.json", () => {
  it("is read as upstream wrote it, mode 0644 and all", () => {
    expect(readStackJson(project())).toEqual({ value: upstreamStack, problems: [] });
  });

  it("may be missing", () => expect(readStackJson(project({ stack: null }))).toEqual({ problems: [] }));

  it("may begin with a byte order mark, as some editors leave it", () => {
    expect(said(`\uFEFF${JSON.stringify(upstreamStack)}`)).toEqual([]);
  });

  describe("as a path", () => {
    it("may be a link that stays in .clawdlets", () => {
      const layout = project();
      renameSync(layout.stackJson, join(layout.dir, "laptop.json"));
      symlinkSync("laptop.json", layout.stackJson);
      expect(readStackJson(layout).problems).toEqual([]);
    });

    it("may be a link that stays in .clawdlets", () => {
      const layout = project();
      renameSync(layout.stackJson, join(layout.dir, "laptop.json"));
      symlinkSync("laptop.json", layout.stackJson);
      expect(readStackJson(layout).problems).toEqual([]);
    });

    it("may not be a link that leads out of .clawdlets", () => {
      const layout = project();
      const outside = join(layout.root, "stack.json");
      renameSync(layout.stackJson, outside);
      symlinkSync("../stack.json", layout.stackJson);
      const { value, problems } = readStackJson(layout);
      expect(value).toBeUndefined();
      expect(problems.map(problemSentence)[0]).toContain(`is a link to ${outside}, outside .clawdlets`);
    });

    it("may not be a link to nothing", () => {
      const layout = project({ stack: null });
      symlinkSync("gone.json", layout.stackJson);
      expect(readStackJson(layout).problems.map(problemSentence)[0]).toContain("is a broken symbolic link");
    });

    it("may not be a folder", () => {
      const layout = project({ stack: null });
      mkdirSync(layout.stackJson);
      expect(readStackJson(layout).problems.map(problemSentence)[0]).toContain("is not a plain file");
    });

    it("says so when .clawdlets is a file", () => {
      const layout = project();
      rmSync(layout.dir, { recursive: true });
      writeFileSync(layout.dir, "");
      expect(readStackJson(layout).problems.map(problemSentence)[0]).toContain("is not a folder of this project");
    });
  });

  describe("as text", () => {
    it.each([
      [
        '{\n  "schemaVersion": 3,\n  "hosts": nothing\n}',
        "line 3, column 12: unexpected characters; text needs double quotes.",
      ],
      [
        '{"schemaVersion": 3,}',
        "line 1, column 21: a key in double quotes is missing, or the comma before it is one too many.",
      ],
      ['{\n  "a": [1,]\n}', "line 2, column 11: a value is missing, or the comma before it is one too many."],
      ['{"a": [1 2]}', "line 1, column 10: a comma or closing bracket is missing."],
      ['{\r\n  "a": 1\r\n  "b": 2\r\n}', "line 3, column 3: a comma or closing brace is missing."],
      ['{"a" 1}', "line 1, column 6: a colon is missing."],
      ["{", "line 1, column 2: a closing brace is missing."],
      ["[", "line 1, column 2: a closing bracket is missing."],
      ["", "line 1, column 1: a value is missing."],
      ["{} {}", "line 1, column 4: unexpected characters after the end of the JSON value."],
      ["// comment\n{}", "line 1, column 1: JSON does not allow comments."],
      ['{"a": "b\n"}', "line 1, column 7: the closing quote of this text is missing."],
      ['{"a": 1.}', "line 1, column 7: this number is incomplete."],
      [String.raw`{"a": "\u12"}`, String.raw`line 1, column 7: this text has a \u without four hexadecimal digits.`],
      [
        String.raw`{"a": "\x"}`,
        "line 1, column 7: this text has a backslash in front of a character that JSON does not escape.",
      ],
      [
        '{"a": "b\tc"}',
        String.raw`line 1, column 7: this text has a control character, which JSON writes as an escape such as \t.`,
      ],
    ])("says where %j stops being JSON", (text, message) => expect(said(text).join("\n")).toContain(message));

    it("shows nothing of the text around a mistake: it could be a token", () => {
      for (const text of [`{"token": ${token}}`, `{"token": "${token}`, `{"token": "\\x${token}"}`, `{} "${token}"`]) {
        expect(said(text).join("\n")).toContain("not JSON: line 1, column ");
        expect(said(text).join("\n")).not.toContain("aaa");
      }
    });

    it.each([
      ["valid", "[".repeat(100_000) + "]".repeat(100_000)],
      ["without an end", '{"a":'.repeat(100_000)],
      ["broken at every level", "[1 ".repeat(100_000)],
      ["just above the limit", `${"[".repeat(201)}${"]".repeat(201)}`],
    ])("refuses deep nesting without overflowing the stack: %s", (_, text) => {
      const started = performance.now();
      const found = parseStackJson(text, "stack.json").problems.map(problemLine);
      expect(found).toEqual([expect.stringContaining("is nested more than 200 levels deep.")]);
      expect(performance.now() - started).toBeLessThan(2000);
    });

    it("accepts nesting up to the limit as JSON", () => {
      expect(said(`${"[".repeat(200)}${"]".repeat(200)}`).join()).not.toMatch(/nested|not JSON/);
    });

    it("says what upstream's own migration leaves at the end of the file", () => {
      expect(said(`${JSON.stringify(upstreamStack)}\\n`).join("\n")).toContain("Remove the two characters \\n");
    });

    it.each([
      ['{"hosts": {}, "hosts": {}}', "hosts"],
      ['{"hosts": {"a": {"flakeHost": "x", "flakeHost": "y"}}}', "hosts.a.flakeHost"],
      ['{"hosts": {"a": 1, "\\u0061": 2}}', "hosts.a"],
      ['{"hosts": {"a": {}, "b": {"x": "}\\"{"}, "a": {}}}', "hosts.a"],
      ['{"hosts": [{}, {"a": 1, "a": 2}]}', "hosts.1.a"],
    ])("refuses a key that stands twice: %j", (text, setting) => {
      expect(said(text)[0]).toContain(`stack.json: ${setting}: is set twice`);
    });

    it.each([
      ['{"a": {"x": 1}, "b": {"x": 2}, "c": [{"x": 1}, {"x": 1}]}'],
      ['{"x": "a", "a": ["a", "a"], "b": "\\"a\\": 1, \\"a\\": 2"}'],
    ])("takes the same key in different objects: %j", (text) => expect(said(text).join()).not.toContain("twice"));
  });

  describe("schema version", () => {
    it.each([1, 2])("%i: is one problem that says how to migrate", (schemaVersion) => {
      const terraform = { adminCidr: "203.0.113.10/32", sshPubkeyFile: "~/.ssh/id_ed25519.pub" };
      const secrets = { localFile: "secrets/hosts/a.yaml", remoteFile: "/var/lib/clawdlets/a.yaml" };
      const found = said({ schemaVersion, hosts: { a: { flakeHost: "a", terraform, secrets } } });
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(`schemaVersion: is ${schemaVersion}; allowed: 3. `);
      expect(found[0]).toContain("An older clawdlets wrote this file.");
      expect(found[0]).toContain("clawdlets secrets migrate");
    });

    it("4: is one problem too", () => {
      expect(said({ schemaVersion: 4, fleet: {}, machines: {} })).toEqual([
        expect.stringContaining("schemaVersion: is 4; allowed: 3. The file is from a newer clawdlets"),
      ]);
    });

    it.each([["3"], [null], [undefined], [3.5]])("%j: is told beside everything else", (schemaVersion) => {
      expect(said({ schemaVersion, hosts: {}, x: 1 }).length).toBeGreaterThan(1);
    });
  });

  it.each([
    ["flakeHots", "flakeHost"],
    ["opentoufu", "opentofu"],
    ["secret", "secrets"],
    ["targethost", "targetHost"],
  ])("suggests the nearest key for %s", (key, suggestion) => {
    expect(said(withHost({ [key]: "x" })).join()).toContain(
      `hosts.${host}.${key}: unknown setting (did you mean "${suggestion}"?)`,
    );
  });

  describe.each([
    ["secrets.localDir", (value: unknown) => withSecrets({ localDir: value })],
    ["envFile", (value: unknown) => ({ ...upstreamStack, envFile: value })],
  ])("%s", (name, stack) => {
    it.each(["secrets", "a/../b", "./a", "a/b/../../c", "..a", "a/", " a ", "a b", "x..", "-"])("takes %j", (value) =>
      expect(said(stack(value))).toEqual([]),
    );

    it.each([
      "/abs",
      " /abs",
      "..",
      "../x",
      "a/../../x",
      "../.clawdlets/x",
      "./../x",
      ".",
      "../../../../core/project/settings/",
      "a/..",
      "~/x",
      "$HOME/x",
      "${HOME}/x",
      "",
      " ",
      "a\0b",
      "a\nb",
      "a\u001b[2Jb",
      5,
      null,
      ["a"],
    ])("refuses %j and says what is allowed", (value) => {
      const [problem = ""] = said(stack(value));
      expect(problem).toContain(name);
      expect(problem).toMatch(/allowed: a (folder|file) inside \.clawdlets, relative to it/);
      expect(problem).not.toMatch(/\p{Cc}/u);
    });
  });

  describe("secrets.remoteDir", () => {
    it.each(["/var/lib/x", "/var/lib/clawdlets/secrets/hosts/web-1", "/var/lib/.x", "/var/lib/x..y", "/var/lib/..."])(
      "takes %j",
      (remoteDir) => expect(said(withSecrets({ remoteDir }))).toEqual([]),
    );

    it.each([
      "/var/lib",
      "/var/lib/",
      "/var/library/x",
      "/etc/x",
      "/",
      "var/lib/x",
      "/var/lib/../../etc",
      "/var/lib/x/..",
      "/var/lib/./x",
      "/var/lib/x/.",
      "/var/lib//x",
      "//var/lib/x",
      "/var/lib/x/",
      "/var/lib/x y",
      "/var/lib/x\0y",
      "/var/lib/$(id)",
      "",
    ])("refuses %j and says that root writes there", (remoteDir) => {
      const [problem = ""] = said(withSecrets({ remoteDir }));
      expect(problem).toContain(`hosts.${host}.secrets.remoteDir: is ${JSON.stringify(remoteDir.trim())}; `);
      expect(problem).toContain("below /var/lib/");
      expect(problem).toContain("root");
    });
  });

  describe("opentofu.sshPubkeyFile", () => {
    it("says how to fix a key that stands where its path is meant", () => {
      const found = said(withKeyFile(publicKey));
      expect(found).toEqual([expect.stringContaining("it is a public key, but the path of a file is expected")]);
      expect(found[0]).toContain(`printf '%s\\n' '${publicKey}' > .clawdlets/operator.pub`);
      expect(found[0]).toContain('"sshPubkeyFile": ".clawdlets/operator.pub"');
    });

    it("quotes the key for the shell", () => {
      expect(said(withKeyFile(`${publicKey}'s $(id)`))[0]).toContain(`'${publicKey}'\\''s $(id)' >`);
    });

    it("recognises a private key and shows nothing of it", () => {
      const found = said(withKeyFile("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAA\n-----END")).join();
      expect(found).toContain("is a private key");
      expect(found).not.toContain("b3Bl");
    });
  });

  it.each([
    ["a host that is not an object", { ...upstreamStack, hosts: { a: 1 } }, "hosts.a: is 1; allowed: an object with"],
    ["hosts that are a list", { ...upstreamStack, hosts: [] }, "hosts: is an empty list; allowed: an object"],
    ["a file that is a list", [], "stack.json: is an empty list; allowed: an object"],
    ["a file that is null", null, "stack.json: is null; allowed: an object"],
    ["a host name", { ...upstreamStack, hosts: { Web: entry } }, "hosts.Web: allowed: a lowercase letter, then"],
    ["a $schema", { ...upstreamStack, $schema: 5 }, "$schema: is 5; allowed: the path or URL of a JSON Schema"],
    ["an option for ssh", withHost({ targetHost: "-oProxyCommand=x" }), "targetHost: is "],
    ["an option for nix", { ...upstreamStack, base: { flake: "--impure" } }, "base.flake: is "],
    ["a control character", withHost({ flakeHost: "a\u001bb" }), 'flakeHost: is "a\\u001bb"; allowed: '],
    [
      "a private network",
      withHost({ opentofu: { ...entry.opentofu, adminCidr: "192.168.1.5/32" } }),
      "is a private network, so it cannot reach a server; use your own public address",
    ],
    [
      "a tailnet's address",
      withHost({ opentofu: { ...entry.opentofu, adminCidr: "100.101.102.103/32" } }),
      "is the internal network of a provider or tailnet (CGNAT)",
    ],
    ["a zone", withHost({ opentofu: { ...entry.opentofu, adminCidr: "fe80::%eth0/64" } }), "is not a network"],
  ])("refuses %s in words of its own", (_, stack, message) => {
    const text = JSON.stringify(stack);
    const found = said(text).join("\n");
    expect(found).toContain(message);
    expect(found).not.toContain("Invalid input");
  });

  it("does not drop a host called __proto__ in silence", () => {
    const text = JSON.stringify(upstreamStack).replace('"hosts":{', `"hosts":{"__proto__":${JSON.stringify(entry)},`);
    expect(said(text)).toEqual([expect.stringContaining("hosts.__proto__: allowed: a lowercase letter")]);
  });

  it("has no host that an object has by nature", () => {
    const { problems } = readLocal(project({}, "constructor"), "constructor", {});
    expect(problems.map(problemSentence)).toEqual([expect.stringContaining("no such host")]);
  });

  it("shows no token that strayed into it, nor 64 KiB of anything", () => {
    const secrets = [
      token,
      `ghp_${"b".repeat(36)}`,
      `AGE-SECRET-KEY-1${"Q".repeat(58)}`,
      `tskey-auth-${"k".repeat(20)}`,
    ];
    for (const secret of secrets) {
      const found = said({
        ...withHost({ opentofu: { adminCidr: secret, sshPubkeyFile: "k" }, [secret]: 1 }),
        x: secret,
      });
      expect(found).toHaveLength(3);
      expect(found.join("\n")).not.toContain(secret);
    }
    const long = said({ ...withHost({ targetHost: `-${"x y".repeat(20_000)}` }), ["k ".repeat(30_000)]: 1 });
    expect(Math.max(...long.map((line) => line.length))).toBeLessThan(2500);
  });
});
