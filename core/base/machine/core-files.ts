import { execaSync } from "execa";
import { cleanEnvironment } from "./environment.ts";

/**
 * No core file of this process or of a child: it would hold tokens and plaintext, and lie in the folder that we run in. One byte
 * and not none, because Linux ignores a limit of 0 where cores go to a program, such as systemd-coredump or apport, and takes 1
 * for "never" in both cases (core(5); do_coredump in fs/coredump.c). Without prlimit, as on macOS, nothing is changed.
 */
export function forbidCoreFiles(): void {
  if (process.platform !== "linux") return;
  const options = { reject: false, timeout: 5_000, cwd: "/", env: cleanEnvironment(), extendEnv: false };
  execaSync("prlimit", ["--core=1:1", `--pid=${process.pid}`], options);
}
