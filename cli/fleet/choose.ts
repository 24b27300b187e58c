import { z } from "zod";
import { SettingsError, UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { didYouMean } from "../../core/base/nearest.ts";
import type { Layout } from "../../core/project/layout.ts";
import { hostNameAllowed, hostNamePattern } from "../../core/project/settings/names.ts";
import { checkSettings } from "../../core/project/settings/stack-config/check.ts";
import { stackConfig } from "../../core/project/settings/stack-config/stack-config.ts";
import { listStackFiles, readRawStackFile } from "../../core/project/settings/stack-file.ts";
import { type FleetJournal, readFleetJournal } from "../../core/tasks/fleet/journal.ts";
import { type FleetOptions, fleetOnly } from "./options.ts";

export interface Chosen {
  hosts: string[];
  canary?: string | undefined;
  /** With `--resume`: the run that is gone on with. */
  former?: FleetJournal;
}

/**
 * The hosts of a run over many, checked before anything is begun.
 * @param known the hosts that a name or `--all` may mean
 * @returns undefined where one host is meant, or none named: the command does as it always did
 * @throws UserError (usage) if no host is named, a name is invalid, or the options are mixed
 */
export function chooseFleet(
  layout: Layout,
  command: string,
  options: FleetOptions,
  known: readonly string[] = listStackFiles(layout),
): Chosen | undefined {
  const { host, all, tag, resume, canary } = options;
  const ways = [host !== undefined && "--host", all && "--all", tag !== undefined && "--tag", resume && "--resume"];
  const given = ways.filter((way) => typeof way === "string");
  if (given.length > 1) {
    throw usage(`${given.join(" and ")} cannot be combined: name hosts, or a tag, or pass --all.`);
  }
  if (resume) return resumed(readFleetJournal(layout, command), known, canary);
  const names = host === undefined ? undefined : namesIn("--host", host);
  if (!all && tag === undefined && (names === undefined || names.length < 2)) {
    const left = fleetOnly(options);
    if (left.length > 0)
      throw usage(
        `${left.join(", ")} ${left.length === 1 ? "is" : "are"} for many hosts: pass --all, --tag or --host A,B.`,
      );
    return undefined;
  }
  for (const name of names ?? []) {
    if (!known.includes(name))
      throw usage(`--host: there is no host "${name}"${didYouMean(name, known)}${list(known)}.`);
  }
  const hosts = names ?? (tag === undefined ? [...known] : tagged(layout, namesIn("--tag", tag), known));
  if (hosts.length === 0) throw usage(`There is no host in ${layout.stacks} yet (clawdlets init --host NAME).`);
  return { hosts, canary: checkedCanary(canary, hosts) };
}

/**
 * What is asked beyond the hosts, as `--rev`: with `--resume` what the former run was asked, so that all its hosts get the same.
 * @throws UserError (usage) when something else is asked now
 */
export function resumedOptions({ former }: Chosen, asked: Readonly<Record<string, unknown>>): Record<string, string> {
  const now = Object.entries(asked).filter((each): each is [string, string] => typeof each[1] === "string");
  if (!former) return Object.fromEntries(now);
  const other = now.find(([key, value]) => former.asked[key] !== value);
  if (!other) return former.asked;
  const before = former.asked[other[0]];
  throw usage(
    `--resume continues the last run, which was started ${before === undefined ? `without --${other[0]}` : `with --${other[0]} ${before}`}. Omit --${other[0]}, or name the hosts again.`,
  );
}

function checkedCanary(canary: string | undefined, hosts: readonly string[]): string | undefined {
  if (canary === undefined || hosts.includes(canary)) return canary;
  throw usage(`--canary: "${canary}" is not one of the chosen hosts${didYouMean(canary, hosts)}${list(hosts)}.`);
}

/** Those that did not end well. A canary that did is not run again; one that did not goes first again. */
function resumed(former: FleetJournal, known: readonly string[], canary: string | undefined): Chosen {
  const before = Object.keys(former.hosts);
  checkedCanary(canary, before);
  const hosts = before.filter((host) => former.hosts[host] !== "ok" && known.includes(host));
  return { hosts, canary: canary !== undefined && hosts.includes(canary) ? canary : undefined, former };
}

/** @throws UserError when nobody has one of them: a mistyped tag would quietly leave hosts out */
function tagged(layout: Layout, wanted: readonly string[], known: readonly string[]): string[] {
  const stacks = listStackFiles(layout).filter((host) => known.includes(host));
  const tagsOf = new Map(stacks.map((host) => [host, tagsIn(layout, host)]));
  const there = [...new Set([...tagsOf.values()].flat())].sort();
  for (const tag of wanted) {
    if (!there.includes(tag)) throw usage(`--tag: no host has "${tag}"${didYouMean(tag, there)}${list(there)}.`);
  }
  return stacks.filter((host) => tagsOf.get(host)?.some((tag) => wanted.includes(tag)));
}

const tagSettings = z.object({ tags: stackConfig.shape.tags });

/** @throws SettingsError if they are invalid: the host would be left out without a word */
function tagsIn(layout: Layout, host: string): string[] {
  const { tags } = readRawStackFile(layout, host);
  const { value, problems } = checkSettings(
    tagSettings,
    { ...(tags !== undefined && { tags }) },
    `stacks/Pulumi.${host}.yaml`,
  );
  if (value) return value.tags;
  throw new SettingsError(problems);
}

function namesIn(option: string, text: string): string[] {
  const names = [...new Set(text.split(",").map((name) => name.trim()))];
  const wrong = names.find((name) => (option === "--host" ? !hostNamePattern.test(name) : name === ""));
  if (wrong === undefined) return names;
  throw usage(
    `${option}: "${wrong}" is not a ${option === "--host" ? `host name; allowed: ${hostNameAllowed}` : "tag"}.`,
  );
}

const usage = (message: string) => new UserError(message, { exitCode: exitCodes.usage });

function list(names: readonly string[]): string {
  if (names.length === 0) return "; there are none";
  const shown = names.slice(0, 10).join(", ");
  return `; there are ${shown}${names.length > 10 ? ` and ${names.length - 10} more` : ""}`;
}
