import { existsSync } from "node:fs";
import { relative } from "node:path";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import { standingOf, standingText } from "../../host/install/interrupted.ts";
import { readJournal } from "../../host/journal.ts";
import { hostLayoutOf } from "../../project/layout.ts";
import { readEnvFile, tokenProblem } from "../../project/settings/env-file.ts";
import { completeSettings, type HostSettings, type LocalSettings, readLocal } from "../../project/settings/host.ts";
import { readStackFile } from "../../project/settings/stack-file.ts";
import { readStackJson } from "../../project/settings/stack-json.ts";
import { readState } from "../../project/state/state.ts";
import type { DoctorContext } from "./context.ts";
import { attempt, type Check, type Finding, fromProblems, notChecked, ok, problem, warning } from "./finding.ts";
import { checkKeysAndSecrets } from "./secrets.ts";

/** The settings of one host, as far as they can be read. */
interface Read {
  settings: HostSettings | undefined;
  local: LocalSettings | undefined;
}

/** Files, keys and secrets on this machine. Needs no network. */
export async function checkStack(context: DoctorContext): Promise<Finding[]> {
  const findings = [...(await checkTokens(context)), ...(await checkPassphrase(context))];
  for (const host of context.hosts) findings.push(...(await checkHost(context, host)));
  return findings;
}

/** Without throwing: a broken file is a finding, and what does not depend on it is about at all the same. */
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
    // The token is about at once for the whole project.
    const read = readLocal(layout, host, environment, stack.value, { token: false });
    local = read.value;
    return fromProblems(about, [...stack.problems, ...read.problems], "whole, and both say the same");
  });
  return { settings: stack.value && completeSettings(host, stack.value), local, findings };
}

async function checkHost(context: DoctorContext, host: string): Promise<Finding[]> {
  const { settings, local, findings } = readSettings(context, host);
  const found = [...(await findings)];
  if (settings) found.push(...checkExposure(settings));
  found.push(...(await checkRun(context, host)));
  if (!settings || !local) {
    const about: Check = {
      scope: "stack",
      host,
      check: "keys and secrets",
      subject: ".clawdlets/secrets, .clawdlets/hosts",
    };
    return [...found, notChecked(about, "which ones are needed is not known while the settings cannot be read")];
  }
  return [...found, ...(await checkKeysAndSecrets(context, settings, local))];
}

async function checkTokens({ layout, environment }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "stack", check: "tokens", subject: ".clawdlets/.env and the environment" };
  return attempt(about, () => {
    const stackJson = readStackJson(layout);
    const env = readEnvFile(layout, environment, stackJson.value?.envFile);
    const token = tokenProblem(env.value.HCLOUD_TOKEN, env.tokenFrom);
    return fromProblems(
      about,
      [...env.problems, ...(token ? [token] : [])],
      "HCLOUD_TOKEN is set and has the right shape",
    );
  });
}

async function checkPassphrase({ layout }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "stack", check: "passphrase", subject: relative(layout.root, layout.passphrase) };
  return attempt(about, () => {
    if (readPrivateFile(layout.passphrase) !== undefined) return [ok(about, "there, and private")];
    if (!existsSync(layout.state)) return [warning(about, "file-missing", "there is none yet", "clawdlets init")];
    return [
      problem(
        about,
        "passphrase-lost",
        "there is a state, and no passphrase to read its secrets with",
        "put a backup of it back; without one: docs/recovery.md",
      ),
    ];
  });
}

function checkExposure(settings: HostSettings): Finding[] {
  const { host, sshExposure, tailnet, firewallRules } = settings;
  const about: Check = { scope: "stack", host, check: "exposure", subject: `stacks/Pulumi.${host}.yaml` };
  const findings = [
    sshExposure === "tailnet"
      ? ok(about, "TCP/22 is for nobody at rest")
      : sshExposure === "public"
        ? warning(
            about,
            "open",
            "TCP/22 is open to the admin networks at rest",
            'clawdlets:sshExposure: tailnet, then "clawdlets up"',
          )
        : warning(
            about,
            "window-open",
            "the window of the installation stays open until it is closed by hand",
            `clawdlets lockdown --host ${host}, then clawdlets:sshExposure: tailnet`,
          ),
  ];
  if (tailnet === "none" && sshExposure !== "public") {
    findings.push(
      warning(
        about,
        "no-way-in",
        "there is no tailnet: the console is the only way in",
        "clawdlets:tailnet: tailscale",
      ),
    );
  }
  if (firewallRules.length > 0) {
    findings.push(
      ok(
        { ...about, check: "firewall rules" },
        `${firewallRules.length} more inbound ${firewallRules.length === 1 ? "rule" : "rules"}, none for TCP/22`,
      ),
    );
  }
  return findings;
}

/** What a run that was killed or failed has left. */
async function checkRun({ layout }: DoctorContext, host: string): Promise<Finding[]> {
  const files = hostLayoutOf(layout, host);
  const state: Check = { scope: "stack", host, check: "state", subject: `the engine's state of ${host}` };
  const journal: Check = { scope: "stack", host, check: "installation", subject: relative(layout.root, files.journal) };
  return [
    ...(await attempt(state, () => {
      const { value, problems } = readState(layout, host);
      if (problems.length > 0) return fromProblems(state, problems, "");
      if (!value) return [ok(state, "none here yet")];
      if (value.pending.length === 0) return [ok(state, `${value.resources.length} resources, nothing half done`)];
      return [
        warning(state, "run-unfinished", "a run was killed while it changed something", `clawdlets up --host ${host}`),
      ];
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
