import { existsSync } from "node:fs";
import { relative } from "node:path";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import { problemJson } from "../../base/problem.ts";
import { counted } from "../../base/wording.ts";
import { standingOf, standingText } from "../../host/install/interrupted.ts";
import { readJournal } from "../../host/journal.ts";
import { listBotFolders } from "../../project/bots/bot-folder.ts";
import { hostLayoutOf } from "../../project/layout.ts";
import { isCritical, lintBots } from "../../project/lint/lint.ts";
import { readEnvFile, tokenProblem } from "../../project/settings/env-file.ts";
import { completeSettings, type HostSettings, type LocalSettings, readLocal } from "../../project/settings/host.ts";
import { readStackFile } from "../../project/settings/stack-file.ts";
import { readStackJson } from "../../project/settings/stack-json/stack-json.ts";
import { readState } from "../../project/state/state.ts";
import type { DoctorContext } from "./context.ts";
import { attempt, type Check, type Finding, fromProblems, notChecked, ok, problem, warning } from "./finding.ts";
import { checkKeysAndSecrets } from "./secrets.ts";
import { checkVault } from "./vault.ts";

/** The settings of one host, as far as they can be read. */
interface Read {
  settings: HostSettings | undefined;
  local: LocalSettings | undefined;
}

/** Checks files, keys and secrets on this machine. Needs no network. */
export async function checkStack(context: DoctorContext): Promise<Finding[]> {
  const findings = [
    ...(await checkTokens(context)),
    ...(await checkPassphrase(context)),
    ...(await checkVault(context)),
  ];
  for (const host of context.hosts) findings.push(...(await checkHost(context, host)));
  return findings;
}

/** Does not throw: a broken file is a finding, and checks that do not depend on it still run. */
export function readSettings(
  { layout, environment }: DoctorContext,
  host: string,
): Read & { findings: Promise<Finding[]> } {
  const about: Check = {
    scope: "stack",
    host,
    check: "settings",
    subject: `stacks/Pulumi.${host}.yaml and .clawdlets/stack.json`,
  };
  const stack = readStackFile(layout, host);
  let local: LocalSettings | undefined;
  const findings = attempt(about, () => {
    // The token is checked once for the whole project.
    const read = readLocal(layout, host, environment, stack.value, { token: false });
    local = read.value;
    return fromProblems(about, [...stack.problems, ...read.problems], "complete, and both files agree");
  });
  return { settings: stack.value && completeSettings(host, stack.value), local, findings };
}

async function checkHost(context: DoctorContext, host: string): Promise<Finding[]> {
  const { settings, local, findings } = readSettings(context, host);
  const found = [...(await findings)];
  if (settings) found.push(...checkExposure(settings));
  if (settings) found.push(...checkBots(context, settings));
  found.push(...(await checkRun(context, host)));
  if (!settings || !local) {
    const about: Check = {
      scope: "stack",
      host,
      check: "keys and secrets",
      subject: ".clawdlets/secrets, .clawdlets/hosts",
    };
    return [...found, notChecked(about, "the settings cannot be read, so it is unknown which ones are required")];
  }
  return [...found, ...(await checkKeysAndSecrets(context, settings, local))];
}

async function checkTokens({ layout, environment }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "stack", check: "tokens", subject: ".clawdlets/.env and the environment" };
  return attempt(about, () => {
    const stackJson = readStackJson(layout);
    const env = readEnvFile(layout, environment, stackJson.value?.envFile);
    const token = tokenProblem(env.value.HCLOUD_TOKEN, env.tokenFrom);
    return fromProblems(about, [...env.problems, ...(token ? [token] : [])], "HCLOUD_TOKEN is set and well-formed");
  });
}

async function checkPassphrase({ layout }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "stack", check: "passphrase", subject: relative(layout.root, layout.passphrase) };
  return attempt(about, () => {
    if (readPrivateFile(layout.passphrase) !== undefined) return [ok(about, "exists and is private")];
    if (!existsSync(layout.state)) return [warning(about, "file-missing", "does not exist yet", "clawdlets init")];
    return [
      problem(
        about,
        "passphrase-lost",
        "there is a state, but no passphrase to decrypt its secrets",
        "restore it from a backup; without one, see docs/recovery.md",
      ),
    ];
  });
}

function checkExposure(settings: HostSettings): Finding[] {
  const { host, sshExposure, tailnet, firewallRules } = settings;
  const about: Check = { scope: "stack", host, check: "exposure", subject: `stacks/Pulumi.${host}.yaml` };
  const findings = [
    sshExposure === "tailnet"
      ? ok(about, "TCP/22 is closed when nothing is being installed")
      : sshExposure === "public"
        ? warning(
            about,
            "open",
            "TCP/22 is always open to the admin networks",
            'clawdlets:sshExposure: tailnet, then "clawdlets up"',
          )
        : warning(
            about,
            "window-open",
            "the window of the installation stays open until you close it",
            `clawdlets lockdown --host ${host}, then clawdlets:sshExposure: tailnet`,
          ),
  ];
  if (tailnet === "none" && sshExposure !== "public") {
    findings.push(
      warning(about, "no-way-in", "without a tailnet, the console is the only way in", "clawdlets:tailnet: tailscale"),
    );
  }
  if (firewallRules.length > 0) {
    findings.push(
      ok(
        { ...about, check: "firewall rules" },
        `${counted(firewallRules.length, "more inbound rule")}, none for TCP/22`,
      ),
    );
  }
  return findings;
}

/** The folders of a host's bots. */
function checkBots({ layout }: DoctorContext, { host, bots }: HostSettings): Finding[] {
  const folders = listBotFolders(layout);
  if (!bots.some((bot) => folders.includes(bot))) return [];
  const about: Check = { scope: "stack", host, check: "bots", subject: "bots/" };
  const findings = lintBots(layout, bots);
  if (findings.length === 0) return [ok(about, "nothing unsafe found")];
  return findings.map((finding) => {
    return { ...about, status: isCritical(finding) ? "problem" : "warning", ...problemJson(finding) };
  });
}

/** Finds what a killed or failed run has left. */
async function checkRun({ layout }: DoctorContext, host: string): Promise<Finding[]> {
  const files = hostLayoutOf(layout, host);
  const state: Check = { scope: "stack", host, check: "state", subject: `the engine's state of ${host}` };
  const journal: Check = { scope: "stack", host, check: "installation", subject: relative(layout.root, files.journal) };
  return [
    ...(await attempt(state, () => {
      const { value, problems } = readState(layout, host);
      if (problems.length > 0) return fromProblems(state, problems, "");
      if (!value) return [ok(state, "none on this machine yet")];
      if (value.pending.length === 0)
        return [ok(state, `${value.resources.length} resources, no unfinished operation`)];
      return [warning(state, "run-unfinished", "a run was killed during a change", `clawdlets up --host ${host}`)];
    })),
    ...(await attempt(journal, async () => {
      const last = readJournal(files.journal);
      if (!last) return [ok(journal, "never installed from this machine")];
      if (last.state === "done") return [ok(journal, `installation ${last.installId} is done`)];
      const { kind } = await standingOf(files);
      const text = `installation ${last.installId} is ${standingText[kind]}`;
      return [warning(journal, "run-unfinished", text, `clawdlets up --host ${host}`)];
    })),
  ];
}
