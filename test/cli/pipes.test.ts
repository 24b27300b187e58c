import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { project, temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";
import { everyCommand } from "./_commands.ts";

const clawdlets = `'${join(repository, "bin", "clawdlets")}'`;

/** Runs lines of bash, where `$code` is the exit code of what stands first in a pipe. */
async function bash(script: string, cwd: string) {
  const { stdout, stderr } = await execa("bash", ["--norc", "-c", script], { cwd, reject: false, timeout: 60_000 });
  return { said: `${stdout}\n${stderr}`, code: stdout.split("\n").at(-1) };
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash's
const code = 'printf "\\n%s" "${PIPESTATUS[0]}"';
const commands = await everyCommand();
const traces = /EPIPE|ERR_STREAM|a bug|at .*node:|unhandled/i;

describe("a reader that has had enough", () => {
  it.each(commands.map((words) => [words.join(" ") || "(none)", words] as const))(
    "ends %s with its own exit code and without a trace",
    async (_, words) => {
      const empty = temporaryFolder();
      const help = `${clawdlets} ${words.join(" ")} --help`;
      const wrong = `${clawdlets} ${words.join(" ")} --no-such-option --json`;
      const all = await Promise.all([
        bash(`${help} | true; ${code}`, empty),
        bash(`${wrong} 2>&1 | true; ${code}`, empty),
        bash(`${wrong} >&- 2>&-; ${code}`, empty),
      ]);
      expect(all.map((each) => each.code)).toEqual(["0", "2", "2"]);
      for (const { said } of all) expect(said).not.toMatch(traces);
    },
  );

  it("does not keep a report from its verdict", async () => {
    const { root } = project({ env: null });
    const status = `${clawdlets} status --no-drift`;
    for (const script of [`${status} | true; ${code}`, `${status} --json 2>&1 | head -c 1; ${code}`]) {
      const { said, code: exit } = await bash(script, root);
      expect(exit, said).toBe("13");
      expect(said).not.toMatch(traces);
    }
  });
});

describe("a result that cannot be written", () => {
  it("is a failure that says so, whatever the command would have ended with", async () => {
    const { said, code: exit } = await bash(`${clawdlets} --help >/dev/full; ${code}`, temporaryFolder());
    expect(said).toContain("the result is lost. Cannot write standard output");
    expect(said).toContain("ENOSPC");
    expect(said).not.toMatch(traces);
    expect(exit).toBe("1");
    const { code: kept } = await bash(`${clawdlets} verify --json >/dev/full; ${code}`, temporaryFolder());
    expect(kept).toBe("3");
  });

  it("on a full standard error changes nothing", async () => {
    const { code: exit } = await bash(`${clawdlets} verify 2>/dev/full; ${code}`, temporaryFolder());
    expect(exit).toBe("3");
  });
});
