/**
 * The test projects: each runs alone (`npm test -- --project unit`), and CI runs each as a job of its own. A test file belongs to
 * the first folder that holds it.
 */
export interface TestProject {
  name: string;
  /** What its tests need and do, for test/README.md. */
  about: string;
  folders: readonly string[];
}

export const testProjects: readonly TestProject[] = [
  {
    name: "unit",
    about: "no process and no socket; all in one process, in parallel",
    folders: ["test/unit"],
  },
  {
    name: "docs",
    about: "every command, snippet, link, price and drawing of the pages, and the shape of the sources",
    folders: ["test/docs"],
  },
  {
    name: "emulator",
    about: "our code against the emulated Hetzner, real ssh, sops and age",
    folders: ["test/emulator", "test/core", "test/cli", "test/components", "test/bin"],
  },
  {
    name: "engine",
    about:
      "Pulumi's engine on the emulator: hosts created, changed, killed, adopted; the policy; the toolchain that builds it",
    folders: ["test/engine", "test/crash", "test/lab", "test/policy", "test/toolchain"],
  },
  {
    name: "host",
    about: "the Nix modules and what runs on a host: root, namespaces, systemd, nft, sshd, sudo",
    folders: ["test/nix"],
  },
  {
    name: "package",
    about: "the packed tarball, the examples, dependencies, workflows",
    folders: ["test/package", "test/examples", "test/repo"],
  },
];
