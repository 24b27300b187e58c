import { execa } from "execa";
import { fetchDebian13 } from "./_cache.ts";

/** `RestrictNetworkInterfaces` is ignored, with a line in the journal, by a systemd that was built without it. */
export async function hasBpfFramework(tree: string): Promise<boolean> {
  const { stdout } = await execa("chroot", [tree, "systemctl", "--version"], { reject: false });
  return stdout.includes("+BPF_FRAMEWORK");
}

/** Where a systemd is whose network fences work: this machine's, otherwise Debian 13's, which is fetched. */
export async function treeWithBpf(): Promise<string> {
  return (await hasBpfFramework("/")) ? "/" : await fetchDebian13();
}
