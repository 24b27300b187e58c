import { Command } from "commander";
import { exitCodes } from "../core/base/exit-codes.ts";
import { asUserError } from "../core/base/system-errors.ts";
import { counted } from "../core/base/wording.ts";
import { type Closed, closeHost } from "../core/host/lockdown/close.ts";
import { type Expectation, expectationOf } from "../core/host/lockdown/expectation.ts";
import { lockdownFacts } from "../core/host/lockdown/facts.ts";
import { proveLockdown } from "../core/host/lockdown/prove.ts";
import { notKnown, type Verified, verifyExpected } from "../core/host/lockdown/verify.ts";
import { closingWork } from "../core/host/window/close-and-prove.ts";
import { findLayout, type Layout } from "../core/project/layout.ts";
import { accessOf, readAccess } from "../core/project/settings/access.ts";
import { loadHost } from "../core/project/settings/host.ts";
import { withHostHalf } from "../core/tasks/lockdown.ts";
import { milestones, stopSignal } from "../engine/signals.ts";
import { chooseHost } from "./shared/choose.ts";
import { allOption, chooseHosts, worstOf } from "./shared/hosts.ts";
import { printJson, type ResultLine, resultLines } from "./shared/output.ts";
import { readFacts } from "./shared/stack-facts.ts";
import { showVerified } from "./shared/verified.ts";

interface Options {
  host?: string;
  all?: boolean;
  prove?: boolean;
  json?: boolean;
}

/** Seconds an installed host may take to appear in its tailnet: right after the installation, and at any other time. */
const tailnetSeconds = { proof: 300, lockdown: 30 };

/** `clawdlets lockdown`: closes what may be open and shows that it is closed; with `--prove` it only shows, for the stack. */
export function lockdownCommand(): Command {
  return new Command("lockdown")
    .option("--host <name>", "the host; optional if there is only one")
    .option(...allOption)
    .option("--prove", "change nothing, and fail if the host differs from CLAWDLETS_FACTS; run by `up`")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      '\nCloses every bootstrap window, including one that sshExposure "bootstrap" keeps open, and removes undeclared rules for\nTCP/22 from the host\'s own firewalls. Then checks the host too: its sshd, nft and sockets. The exit codes are those of `verify`.\n\nExamples:\n  clawdlets lockdown --host web-1\n  clawdlets lockdown --all\n',
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      if (options.prove) await prove(layout, chooseHost(layout, options.host));
      else await lockdown(layout, options);
    });
}

async function prove(layout: Layout, host: string): Promise<void> {
  const { local } = loadHost(layout, host, process.env);
  const seen = await proveLockdown({
    layout,
    host,
    access: accessOf(local),
    expected: readFacts(lockdownFacts),
    tailnetSeconds: tailnetSeconds.proof,
    signal: stopSignal({ forEngine: true }),
    report: milestones(),
  });
  printJson(seen);
}

async function lockdown(layout: Layout, options: Options): Promise<void> {
  const signal = stopSignal();
  const say = resultLines(options.json);
  const results: (Verified & { closed?: Closed })[] = [];
  for (const host of chooseHosts(layout, options)) {
    const result = await lockDownHost(layout, host, signal, say).catch((error: unknown): Verified => {
      const known = asUserError(error);
      if (!known) throw error; // One host in trouble keeps no other one open.
      const unknown = notKnown(host, known.message);
      return known.exitCode === exitCodes.open ? { ...unknown, answer: "open", exitCode: exitCodes.open } : unknown;
    });
    showVerified(result, say);
    if (result.onHost === "as declared") say(`${host}: its own sshd, firewall and sockets are as declared`);
    results.push(result);
  }
  const ok = results.every((each) => each.ok);
  if (options.json) printJson({ ok, hosts: results });
  process.exitCode = worstOf(results.map(({ exitCode }) => exitCode));
}

async function lockDownHost(
  layout: Layout,
  host: string,
  signal: AbortSignal,
  say: ResultLine,
): Promise<Verified & { closed: Closed }> {
  const access = readAccess(layout, host, process.env);
  // Ctrl-C leaves it some seconds: closing is what was asked for.
  const work = closingWork(access, host, signal);
  const { hetzner } = work;
  let expectation: Expectation | undefined;
  const closed = await closeHost(work, host, async () => {
    expectation = await expectationOf(hetzner, { layout, host, access });
    return expectation?.expected;
  });
  const { windows, rules } = closed;
  // What Hetzner says; the check below tries to connect.
  if (windows > 0) say(`${host}: Hetzner reports ${counted(windows, "window")} closed`);
  for (const rule of rules) say(`${host}: Hetzner reports a rule removed: ${rule}`);
  if (windows + rules.length === 0) say(`${host}: no window was open`);
  if (!expectation) {
    const warnings = ["Hetzner has no server for this host, so nothing can be open"];
    return { host, ok: true, answer: "locked", exitCode: exitCodes.ok, wrong: [], warnings, closed };
  }
  // Nothing is kept open any more, whatever the files say.
  const expected = { ...expectation.expected };
  if (expected.sshExposure === "bootstrap") expected.sshExposure = "tailnet";
  const reach = { layout, host, tailnetSeconds: tailnetSeconds.lockdown, signal };
  const verified = await verifyExpected(reach, access, { ...expectation, expected });
  return { ...(await withHostHalf(verified, { ...reach, environment: process.env })), closed };
}
