import { execaSync } from "execa";
import { cleanEnvironment } from "./environment.ts";

/**
 * Disables core dumps of this process and its children: they would contain tokens and plaintext, and land in the current folder.
 * The limit is 1 byte, because Linux ignores a limit of 0 when cores are piped to a program such as systemd-coredump or apport, and
 * treats 1 as "never" in both cases (core(5); do_coredump in fs/coredump.c). Without prlimit, as on macOS, this does nothing.
 */
export function forbidCoreFiles(): void {
  if (process.platform !== "linux") return;
  const options = { reject: false, timeout: 5_000, cwd: "/", env: cleanEnvironment(), extendEnv: false };
  execaSync("prlimit", ["--core=1:1", `--pid=${process.pid}`], options);
}
