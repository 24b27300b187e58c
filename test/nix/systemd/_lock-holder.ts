import { chmodSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import type { SystemdHost } from "./_systemd-host.ts";

/**
 * A program that takes flock(2)'s exclusive lock on every file and folder below these that it can open for reading, and keeps
 * it, over and over. It writes to the first argument which ones it holds, and after how many rounds.
 */
const program = `import fcntl, os, stat, sys, time
report, tops = sys.argv[1], sys.argv[2:]
held, rounds = {}, 0
while True:
    for top in tops:
        for folder, _, names in os.walk(top):
            for path in [folder] + [os.path.join(folder, name) for name in names]:
                try:
                    found = os.lstat(path)
                    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)): continue
                    if (found.st_dev, found.st_ino) in held: continue
                    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
                except OSError: continue
                try: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError: os.close(descriptor)
                else: held[(found.st_dev, found.st_ino)] = path
    rounds += 1
    with open(report + ".new", "w") as file: file.write("\\n".join([str(rounds)] + sorted(held.values())))
    os.rename(report + ".new", report)
    time.sleep(0.02)
`;

/** A process of a bot's user on a host, outside of every sandbox: what it can hold, a bot that has left its own can hold. */
export class LockHolder {
  readonly #host: SystemdHost;

  /** Starts it, and waits until it has taken all that there is. @param tops the folders in which it takes locks */
  static async start(host: SystemdHost, ...tops: string[]): Promise<LockHolder> {
    const holder = new LockHolder(host);
    const { folder } = host.script;
    host.script.write("lock-holder.py", program);
    host.script.write("held/round", "0");
    chmodSync(join(folder, "held"), 0o777);
    const user = ["setpriv", "--reuid=45584", "--regid=45584", "--clear-groups"];
    const words = ["python3", join(folder, "lock-holder.py"), join(folder, "held/round"), ...tops];
    const { exitCode, all } = await host.machine.run(
      "systemd-run",
      "--unit=lock-holder",
      "--property=LimitNOFILE=65536",
      ...user,
      ...words,
    );
    if (exitCode !== 0) throw new Error(`the lock holder did not start: ${all}`);
    await holder.takeAll();
    return holder;
  }

  private constructor(host: SystemdHost) {
    this.#host = host;
  }

  /** What it holds now. */
  get held(): string[] {
    return this.#host.script.read("held/round").split("\n").slice(1);
  }

  /** Waits until it has tried everything that is there now. */
  async takeAll(): Promise<void> {
    const round = () => Number(this.#host.script.read("held/round").split("\n")[0]);
    const now = round();
    await vi.waitUntil(() => round() >= now + 2, { timeout: 30_000, interval: 10 });
  }
}

export { program as lockHolderProgram };
