import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One call of a program in the lab, as that program itself saw it. */
export interface Call {
  program: string;
  argv: string[];
  env: Record<string, string>;
  /** Which `--phases` of the installer it was part of; nothing where the installer was not the one that called. */
  phases: string | undefined;
}

/** Programs that write down how they were called, and then become the real ones. */
export class Recorders {
  /** To be put on PATH: programs that go by the names of the real ones. */
  readonly bin: string;
  readonly #records: string;
  readonly #holds: string;

  constructor(folder: string) {
    this.bin = join(folder, "bin");
    this.#records = join(folder, "calls");
    this.#holds = join(folder, "holds");
    for (const each of [this.bin, this.#records, this.#holds]) mkdirSync(each, { mode: 0o700 });
  }

  /** @param real absolute path of what is run in the end */
  add(program: string, real: string, then = ""): string {
    const file = join(this.bin, program);
    // One file a call, since several write at once; nanoseconds bring them back in order.
    const script = `#!/bin/sh
to='${this.#records}'/$(date +%s%N)-$$-${program}
env -0 >"$to.env"
printf '%s\\0' "$@" >"$to.part"
mv "$to.part" "$to.argv"
${then}exec '${real}' "$@"
`;
    writeFileSync(file, script, { mode: 0o700 });
    return file;
  }

  /** The installer: what it starts is marked as its own, and it can be made to wait before its first word. */
  addInstaller(real: string): string {
    const findPhases = 'for word; do [ "$last" = --phases ] && phases=$word; last=$word; done\n';
    const wait = `if [ -e '${this.#holds}'/"$phases" ]; then
  : >'${this.#holds}'/"$phases.reached"
  while [ -e '${this.#holds}'/"$phases" ]; do sleep 0.05; done
fi
`;
    const mark = 'export CLAWDLETS_LAB_PHASES="$phases"\n';
    return this.add("installer", real, `last= phases=\n${findPhases}${wait}${mark}`);
  }

  /** Stops the installer before the run of these phases begins. */
  hold(phases: string): { isReached: () => boolean; release: () => void } {
    const file = join(this.#holds, phases);
    writeFileSync(file, "");
    const has = (name: string) => readdirSync(this.#holds).includes(name);
    return { isReached: () => has(`${phases}.reached`), release: () => rmSync(file, { force: true }) };
  }

  /** In the order in which they began. */
  get calls(): Call[] {
    const names = readdirSync(this.#records).filter((name) => name.endsWith(".argv"));
    return names.sort().map((name) => {
      const file = join(this.#records, name.slice(0, -".argv".length));
      const env = Object.fromEntries(words(`${file}.env`).map((entry) => splitAt(entry, entry.indexOf("="))));
      return {
        program: name.slice(0, -".argv".length).split("-").slice(2).join("-"),
        argv: words(`${file}.argv`),
        env,
        phases: env["CLAWDLETS_LAB_PHASES"],
      };
    });
  }
}

const words = (file: string) => readFileSync(file, "utf8").split("\0").slice(0, -1);
const splitAt = (text: string, at: number): [string, string] => [text.slice(0, at), text.slice(at + 1)];
