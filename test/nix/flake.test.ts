import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pinnedSchema } from "../../core/project/bots/schema/pinned.ts";
import { layoutOf } from "../../core/project/layout.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { newFiles } from "../../core/tasks/new/files.ts";
import { commitOf, sourceOf, unknownSource } from "../../core/tasks/new/source.ts";
import { describeWith } from "../_needs.ts";
import { repository } from "../_repository.ts";
import { FlakeProject } from "./_flake.ts";
import { adminKey } from "./_host.ts";

const facts = { adminSshKeys: [adminKey], serverType: "cx43", protect: true };

/** This repo as an operator has it, with the example stack, the stack files of two hosts, and Nix for one of them. */
async function ownProject(): Promise<FlakeProject> {
  const project = new FlakeProject();
  project.copyRepository("project");
  const example = "stacks/Pulumi.example.yaml";
  project.write(`project/${example}`, readFileSync(join(repository, example), "utf8"));
  await addToStackFile(layoutOf(project.root), "web-1", {
    ...facts,
    bots: ["maren", "rex"],
    install: { disk: "/dev/vda" },
  });
  await addToStackFile(layoutOf(project.root), "web-2", { ...facts, tailnet: "none" });
  await addToStackFile(layoutOf(project.root), "arm-1", { ...facts, serverType: "cax21" });
  const ofHost =
    '{ pkgs, ... }: { clawdlets.bots = { maren.command = "/bin/maren"; rex = { package = pkgs.hello; openclaw.check = false; }; }; }\n';
  project.write("project/hosts/web-1.nix", ofHost);
  project.write("project/bots/rex/openclaw.json", "{ token: '${DISCORD_BOT_TOKEN}' }\n");
  project.write("project/bots/rex/workspace/AGENTS.md", "Be brief.\n");
  await project.commit();
  return project;
}

const json = ({ failed, stdout, stderr }: { failed: boolean; stdout: string; stderr: string }): unknown => {
  if (failed) throw new Error(stderr);
  return JSON.parse(stdout);
};

describeWith({ programs: ["nix", "git"] }, "the flake", () => {
  it("has a lock file that Nix takes as it is, without asking anybody", async () => {
    const project = await ownProject();
    const { locks } = json(await project.nix("flake", "metadata", "--json", "--no-update-lock-file")) as {
      locks: { nodes: Record<string, unknown> };
    };
    const written: unknown = JSON.parse(readFileSync(join(repository, "flake.lock"), "utf8"));
    expect(locks).toEqual(written);
    expect(Object.keys(locks.nodes).sort()).toEqual(
      [
        "disko",
        "flake-utils",
        "home-manager",
        "nix-openclaw",
        "nix-openclaw-tools",
        "nixpkgs",
        "nixpkgs_2",
        "nixpkgs_3",
        "qmd",
        "root",
        "sops-nix",
        "systems",
      ].sort(),
    );
  });

  it("names the version of the schema that the lint carries", async () => {
    expect(readFileSync(join(repository, "nix/lib/openclaw.nix"), "utf8")).toContain(
      `schemaVersion = "${pinnedSchema().of.replace("OpenClaw ", "")}";`,
    );
  });

  it("has the modules that the documentation names", async () => {
    const project = await ownProject();
    const names = ["eval", "--json", ".#nixosModules", "--apply", "builtins.attrNames"];
    expect(json(await project.nix(...names, ...project.standIns()))).toEqual(
      [
        "backups",
        "bots",
        "default",
        "disk",
        "egress",
        "hetzner",
        "host",
        "operator",
        "secrets",
        "ssh",
        "tailnet",
      ].sort(),
    );
  });

  it("has a system for every stack file, with hosts/<host>.nix where there is one", async () => {
    const project = await ownProject();
    const look = `hosts: builtins.mapAttrs (_: { config, system }: {
      inherit system;
      inherit (config.networking) hostName;
      disk = config.clawdlets.diskDevice;
      ports = config.networking.firewall.allowedTCPPorts;
      units = builtins.filter (name: builtins.match "clawdbot-.*" name != null) (builtins.attrNames config.systemd.services);
    }) hosts`;
    const args = ["eval", "--json", ".#nixosConfigurations", "--apply", look, ...project.standIns()];
    expect(json(await project.nix(...args))).toEqual({
      "arm-1": { system: "aarch64-linux", hostName: "arm-1", disk: "/dev/sda", ports: [], units: [] },
      example: { system: "x86_64-linux", hostName: "example", disk: "/dev/sda", ports: [], units: [] },
      "web-1": {
        system: "x86_64-linux",
        hostName: "web-1",
        disk: "/dev/vda",
        ports: [],
        units: ["clawdbot-maren", "clawdbot-rex"],
      },
      "web-2": { system: "x86_64-linux", hostName: "web-2", disk: "/dev/sda", ports: [22], units: [] },
    });
  });

  it("gives a bot its folder, and each of its files a place of its own in the store", async () => {
    const project = await ownProject();
    const look = `config: {
      inherit (config.systemd.services.clawdbot-rex.environment) OPENCLAW_CONFIG_PATH;
      text = builtins.readFile config.systemd.services.clawdbot-rex.environment.OPENCLAW_CONFIG_PATH;
      secrets = builtins.attrNames config.sops.secrets;
    }`;
    const config = ".#nixosConfigurations.web-1.config";
    const answer = json(await project.nix("eval", "--json", config, "--apply", look, ...project.standIns()));
    expect(answer).toMatchObject({
      OPENCLAW_CONFIG_PATH: expect.stringMatching(/^\/nix\/store\/[a-z0-9]{32}-openclaw\.json$/),
      text: "{ token: '${DISCORD_BOT_TOKEN}' }\n",
      secrets: expect.arrayContaining(["discord_token_maren", "discord_token_rex", "rex_openclaw_gateway_token"]),
    });
  });

  it("takes OpenClaw and its plugins from nix-openclaw, which the repository may have as an input of its own", async () => {
    const project = await ownProject();
    const pinned = (name: string, more = "") =>
      `{ type = "derivation"; name = "${name}"; version = "2026.6.11"; outPath = "/pinned-${name}"; ${more} }`;
    project.write(
      "project/bots/rex/openclaw.json",
      "{ plugins: { allow: ['google-meet', 'anthropic', 'discord'] } }\n",
    );
    project.write("project/hosts/web-1.nix", "{ clawdlets.openclaw.cache = true; }\n");
    await project.commit();
    const look = `config: {
      inherit (config.systemd.services.clawdbot-rex.serviceConfig) ExecStart;
      plugins = map toString config.clawdlets.bots.rex.openclaw.plugins;
      inherit (config.nix.settings) extra-substituters;
      warnings = builtins.filter (line: builtins.match ".*OpenClaw.*" line != null) config.warnings;
    }`;
    const standIns = project.standIns();
    project.write(
      "inputs/nix-openclaw/flake.nix",
      `{ outputs = _: { packages.x86_64-linux = {
        openclaw-gateway = ${pinned("gateway")};
        openclaw-runtime-plugin-discord = ${pinned("discord", 'openclawRuntimePlugin.id = "discord";')};
        openclaw-runtime-plugin-googleMeet = ${pinned("meet", 'openclawRuntimePlugin.id = "google-meet";')};
        openclaw-runtime-plugin-slack = ${pinned("slack")};
      }; }; }`,
    );
    const args = ["eval", "--json", ".#nixosConfigurations.web-1.config", "--apply", look, ...standIns];
    const expected = {
      ExecStart: expect.stringMatching(/^\/pinned-gateway\/bin\/openclaw gateway --port \d+ /),
      plugins: ["/pinned-meet", "/pinned-discord"],
      "extra-substituters": ["https://cache.garnix.io"],
      warnings: [expect.stringMatching(/^clawdlets\.bots\.rex runs OpenClaw 2026\.6\.11, and .* against 2026\.9\.6\./)],
    };
    expect(json(await project.nix(...args))).toEqual(expected);
    // With a schema of the version that runs, there is nothing to warn of.
    project.write("project/bots/openclaw.schema.json", "{}");
    await project.commit();
    expect(json(await project.nix(...args))).toMatchObject({ warnings: [] });
  });

  it("serves a repository of an operator's own, made from the template", async () => {
    const project = new FlakeProject();
    project.copyRepository("clawdlets");
    await project.commit("clawdlets");
    for (const file of ["flake.nix", "hosts/web-1.nix"]) {
      project.write(`project/${file}`, readFileSync(join(repository, "nix/template", file), "utf8"));
    }
    await addToStackFile(layoutOf(project.root), "web-1", {
      ...facts,
      bots: ["maren"],
      install: { disk: "/dev/vda" },
    });
    await project.commit();
    const input = ["--override-input", "clawdlets", `git+file://${join(project.folder, "clawdlets")}`];
    const command = ".#nixosConfigurations.web-1.config.systemd.services.clawdbot-maren.serviceConfig.ExecStart";
    const answer = await project.nix(
      "eval",
      "--json",
      command,
      ...input,
      ...project.standIns("clawdlets/"),
      ...project.standIns(),
    );
    expect(json(answer)).toMatch(/-hello\/bin\/hello --greeting=maren$/);
  });

  it("locks its inputs in a repository that clawdlets new makes, which Nix takes as it is", async () => {
    const project = new FlakeProject();
    project.copyRepository("clawdlets");
    await project.commit("clawdlets");
    const clone = join(project.folder, "clawdlets");
    const commit = await commitOf(clone);
    const files = newFiles("my-bots", commit ? sourceOf(commit, clone) : { url: unknownSource });
    for (const [path, text] of files) project.write(`project/${path}`, text);
    await project.commit();
    const { locks } = json(await project.nix("flake", "metadata", "--json", "--no-update-lock-file")) as {
      locks: unknown;
    };
    expect(locks).toEqual(JSON.parse(files.get("flake.lock") ?? ""));
    const host = ".#nixosConfigurations.example.config.networking.hostName";
    expect(
      json(await project.nix("eval", "--json", host, ...project.standIns("clawdlets/"), ...project.standIns())),
    ).toBe("example");
  });

  it("refuses two hosts that would be one", async () => {
    const project = await ownProject();
    await addToStackFile(layoutOf(project.root), "web-3", { ...facts, flakeHost: "web-1" });
    await project.commit();
    const args = ["eval", "--json", ".#nixosConfigurations", "--apply", "builtins.attrNames", ...project.standIns()];
    expect((await project.nix(...args)).stderr).toContain("two hosts have the same clawdlets:flakeHost, web-1");
  });

  it("knows nothing of what git does not have: no secret gets into the store with it", async () => {
    const project = await ownProject();
    project.write("project/.clawdlets/secrets/hosts/web-1.agekey", "AGE-SECRET-KEY-1CANARY\n");
    const look = 'self: builtins.pathExists (self + "/.clawdlets")';
    const args = ["eval", "--json", ".#nixosModules.default", "--apply", "_: true", ...project.standIns()];
    expect(json(await project.nix(...args))).toBe(true);
    const source = ["eval", "--json", "--impure", "--expr"];
    const flake = `(builtins.getFlake "git+file://${project.root}").outPath`;
    expect(json(await project.nix(...source, `(${look}) ${flake}`))).toBe(false);
  });
});
