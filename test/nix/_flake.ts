import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { path } from "../_debian.ts";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

/** The files of this repository that the flake uses, and our own option declarations. */
export const parts = [
  "flake.nix",
  "flake.lock",
  "nix",
  "core/project/secrets/plan.json",
  "core/project/egress/domains.json",
  "test/nix/eval",
];

/**
 * Stand-in flakes for the inputs, which are not available here: systems are evaluated with the options that
 * test/nix/eval declares.
 */
const standIns: Record<string, string> = {
  nixpkgs: `{ outputs = _: let lib = import ./eval/lib.nix; in {
    lib = lib // {
      nixosSystem = { modules, system }: { inherit system; inherit (import ./eval/system.nix { inherit lib modules system; }) config; };
    };
    legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ] (_: import ./eval/pkgs.nix);
  }; }`,
  disko: "{ outputs = _: { nixosModules.disko = { }; }; }",
  "sops-nix": "{ outputs = _: { nixosModules.sops = { }; }; }",
  "nix-openclaw": "{ outputs = _: { packages.x86_64-linux = { }; packages.aarch64-linux = { }; }; }",
};

/** A git repository with a flake, and the real `nix`, offline, with a store of its own. */
export class FlakeProject {
  readonly folder = temporaryFolder();
  readonly root = join(this.folder, "project");

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.folder, file)), { recursive: true });
    writeFileSync(join(this.folder, file), text);
  }

  /** Copies the files of this repository's flake. */
  copyRepository(target: string): void {
    for (const part of parts) {
      cpSync(join(repository, part), join(this.folder, target, part), { recursive: true });
    }
  }

  async commit(folder = "project"): Promise<void> {
    const git = async (...args: string[]) => await execa("git", ["-C", join(this.folder, folder), ...args]);
    await git("init", "--quiet", "--initial-branch=main");
    await git("add", "--all");
    await git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "all");
  }

  /** Options that replace the inputs by the stand-ins, below another input if one is named. */
  standIns(below = ""): string[] {
    return Object.entries(standIns).flatMap(([name, text]) => {
      this.write(`inputs/${name}/flake.nix`, text);
      cpSync(join(repository, "test/nix/eval"), join(this.folder, "inputs", name, "eval"), { recursive: true });
      return ["--override-input", `${below}${name}`, `path:${join(this.folder, "inputs", name)}`];
    });
  }

  async nix(...args: string[]) {
    const store = ["--store", join(this.folder, "store"), "--option", "build-users-group", ""];
    const features = ["--extra-experimental-features", "nix-command flakes"];
    const env = { PATH: path, HOME: join(this.folder, "home") };
    const answer = await execa("nix", [...features, "--offline", ...store, ...args], {
      cwd: this.root,
      env,
      extendEnv: false,
      reject: false,
    });
    // Folders of a store are read-only; only root could remove them.
    await execa("chmod", ["-R", "u+w", this.folder]);
    return answer;
  }
}
