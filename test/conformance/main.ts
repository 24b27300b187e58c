/**
 * `npm run conformance -- [--only PATTERN] [--log FOLDER] [--json]`: builds the acceptance tests of Hetzner's Terraform provider from the
 * Go module proxy and runs them against the emulator, with OpenTofu. `--only` takes a regular expression on a test's name; `--log` keeps
 * what the tests printed, a file a package. Ends with one line of figures, and exits 1 where a test fails that is not known to
 * (`known.ts`), or passes though it is.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { startEmulator } from "../../emulator/index.ts";
import { ensureProviderTests, type ProviderTests, type Tofu, ToolchainError } from "../../toolchain/index.ts";
import { knownToFail, leftOut, packages } from "./known.ts";
import { judge, type Outcome, outcomesIn } from "./verdict.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "^TestAcc" },
    log: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const tell = (text: string) => process.stderr.write(`conformance: ${text}\n`);
const minutesPerPackage = 20;

const { tofu, tests } = await built();
const emulator = await startEmulator({ actionMs: 100, bootMs: 50, rateLimit: 1_000_000 });
const outcomes = new Map<string, Outcome>();
try {
  for (const each of tests) for (const [test, outcome] of await run(each, tofu)) outcomes.set(test, outcome);
} finally {
  await emulator.close();
}
report();

async function built(): Promise<{ tofu: Tofu; tests: ProviderTests[] }> {
  const root = resolve(import.meta.dirname, "../..");
  const note = ({ kind, component }: { kind: string; component: string }) => tell(`${component}: ${kind}`);
  try {
    return await ensureProviderTests({ root, sources: join(root, "toolchain"), report: note }, packages);
  } catch (error) {
    if (!(error instanceof ToolchainError)) throw error;
    tell(error.message);
    process.exit(4);
  }
}

async function run({ name, program, folder }: ProviderTests, { tofu, config }: Tofu): Promise<Map<string, Outcome>> {
  const skipped = Object.keys(leftOut).map((test) => `^${test}$`);
  const { all, exitCode } = await execa(
    program,
    ["-test.v", `-test.run=${values.only}`, `-test.skip=${skipped.join("|")}`, `-test.timeout=${minutesPerPackage}m`],
    {
      cwd: folder,
      env: {
        // The folder by its own path, not by that of the link.
        PWD: folder,
        TF_ACC: "1",
        TF_ACC_TERRAFORM_PATH: tofu,
        TF_ACC_PROVIDER_HOST: "registry.opentofu.org",
        TF_ACC_PROVIDER_NAMESPACE: "hetznercloud",
        TF_CLI_CONFIG_FILE: config,
        HCLOUD_ENDPOINT: emulator.endpoint,
        HCLOUD_TOKEN: emulator.token,
        HCLOUD_POLL_INTERVAL: "100ms",
      },
      all: true,
      reject: false,
      stdin: "ignore",
      maxBuffer: 1 << 28,
    },
  );
  if (values.log !== undefined) {
    mkdirSync(values.log, { recursive: true });
    writeFileSync(join(values.log, `${name}.log`), all);
  }
  const found = outcomesIn(all);
  if (found.size === 0 && exitCode !== 0) throw new Error(`the tests of ${name} did not run:\n${all.slice(-2000)}`);
  tell(`${name}: ${[...found].map(([test, outcome]) => `${test} ${outcome}`).join(", ") || "no test of that name"}`);
  return found;
}

function report(): never {
  const verdict = judge(outcomes, new Set(Object.keys(knownToFail)));
  if (values.json) process.stdout.write(`${JSON.stringify({ ...verdict, outcomes: Object.fromEntries(outcomes) })}\n`);
  else {
    for (const test of verdict.unexpected) process.stdout.write(`FAIL   ${test}\n`);
    for (const test of verdict.fixed)
      process.stdout.write(`FIXED  ${test}: remove it from test/conformance/known.ts\n`);
    process.stdout.write(
      `${verdict.passed} passed, ${verdict.failed} failed (${verdict.unexpected.length} of them unexpectedly), ${verdict.skipped} skipped\n`,
    );
  }
  process.exit(verdict.unexpected.length + verdict.fixed.length === 0 && outcomes.size > 0 ? 0 : 1);
}
