import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { SettingsError } from "../core/base/errors.ts";
import { git } from "../core/base/machine/git.ts";
import { type Objection, type Problem, problemSentence } from "../core/base/problem.ts";
import { type RebuildSource, rebuildSource } from "../core/host/flake/rebuild-source.ts";
import { cidrProblem } from "../core/project/firewall/cidr.ts";
import { findLayout, type Layout } from "../core/project/layout.ts";
import { expandHome } from "../core/project/settings/host.ts";
import { hostName } from "../core/project/settings/names.ts";
import { readPublicKeyFile } from "../core/project/settings/public-key-file.ts";
import { sshPubkeyFileProblem } from "../core/project/settings/ssh-pubkey-file.ts";
import { checkStackConfig } from "../core/project/settings/stack-config/check.ts";
import type { StackConfig } from "../core/project/settings/stack-config/stack-config.ts";
import { readRawStackFile } from "../core/project/settings/stack-file.ts";
import { hostEntry, readStackJson } from "../core/project/settings/stack-json/stack-json.ts";
import { scaffold } from "../core/tasks/scaffold.ts";
import { makeSecrets } from "./secrets/init.ts";
import { askText, canAsk } from "./shared/ask.ts";
import { forHost } from "./shared/host-secrets.ts";
import { print, resultLines } from "./shared/output.ts";
import { readValues } from "./shared/values.ts";

interface Options {
  host?: string;
  adminCidr?: string;
  sshPubkey?: string;
  serverType?: string;
  location?: string;
  tailnet?: string;
  tailnetLoginServer?: string;
  flake?: string;
  bots?: string[];
  like?: string;
  rebuildOnUp?: string;
  /** False with `--no-rebuild`. */
  rebuild: boolean;
  weeklyUpdates?: boolean;
  fromJson?: string;
  yes?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

const list = (text: string) => (text.trim() === "" ? [] : [...new Set(text.split(",").map((each) => each.trim()))]);

/** `clawdlets init`: the files of a project, and everything one host needs before `up`. */
export function initCommand(): Command {
  return new Command("init")
    .option("--host <name>", "the host; without it, you are asked")
    .option(
      "--admin-cidr <network>",
      "your own network, the only one that can reach the installation, e.g. 203.0.113.7/32",
    )
    .option("--ssh-pubkey <file>", "your public key, e.g. ~/.ssh/id_ed25519.pub")
    .option(
      "--server-type <type>",
      "Hetzner server type, by default cx43; CAX types are ARM; COSTS MONEY once the server is created",
    )
    .option("--location <name>", "Hetzner location, e.g. nbg1")
    .option("--tailnet <kind>", "tailscale, headscale or none")
    .option("--tailnet-login-server <url>", "address of your headscale, e.g. https://headscale.example.com")
    .option("--flake <uri>", "flake with the host's configuration; the default is this repository")
    .option("--bots <names>", "names of the host's bots, separated by commas", list)
    .option("--like <host>", "copy this host's settings, not its keys; the default is stacks/Pulumi.example.yaml")
    .addOption(
      new Option(
        "--rebuild-on-up <when>",
        "how `up` updates a running host: pinned (to the commit in the flake reference), newest or never",
      ).choices(onUp),
    )
    .option("--no-rebuild", "do not let the running host be changed from here; by default it can (docs/day-two.md)")
    .option("--weekly-updates", "also write a workflow that proposes newer inputs of the flake once a week")
    .option("--from-json <file>", 'plain-text secrets as {"name": "value"}; - reads standard input')
    .option("--yes", "overwrite existing secrets with the values given")
    .option("--dry-run", "show what would be created, and change nothing")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nOn a terminal it asks for what is missing. Otherwise, without --from-json, it creates the files and prints the next step.\n\nExamples:\n  clawdlets init\n  clawdlets init --host web-1 --admin-cidr 203.0.113.7/32 --ssh-pubkey ~/.ssh/id_ed25519.pub --bots maren\n  clawdlets init --host web-2 --admin-cidr 203.0.113.7/32 --like web-1\n  pass show web-1 | clawdlets init --host web-1 --from-json -\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      const host = options.host ?? (await askHost(layout));
      const answers = await askMissing(layout, host, options);
      const wrongKey = answers.sshPubkey === undefined ? undefined : keyFileProblem(layout, answers.sshPubkey);
      if (wrongKey) {
        throw new SettingsError([{ subject: "the command line", setting: "--ssh-pubkey", ...wrongKey }]);
      }
      // Before the first file is made: what cannot be read is refused with nothing done.
      const { fromJson } = options;
      const values = fromJson === undefined ? undefined : await readValues(fromJson);
      const { adminCidr, sshPubkey, serverType, location, tailnet, tailnetLoginServer, bots } = answers;
      const source = await sourceFor(layout, host, answers);
      const files = await scaffold({
        layout,
        host,
        entry: { adminCidr, sshPubkeyFile: sshPubkey ?? defaultKey(), serverType },
        flake: answers.flake,
        settings: { location, tailnet, tailnetLoginServer, bots, rebuild: rebuildSettingsOf(answers, source) },
        like: options.like,
        weeklyUpdates: options.weeklyUpdates === true,
        dryRun: options.dryRun === true,
      });
      for (const path of files) say(options.dryRun ? `would make ${path}` : `made ${path}`);
      say(rebuildText(host, answers, source));
      // A dry run of the rest would need the files that it did not make.
      const canGoOn = !options.dryRun && (options.fromJson !== undefined || (canAsk() && !options.json));
      if (!canGoOn) {
        const next = `clawdlets secrets init --host ${host}`;
        say(`next: put your Hetzner token into .clawdlets/.env, then ${next}`);
        print(options.json, { ok: true, host, dryRun: options.dryRun === true, make: files, change: [], next });
        return;
      }
      const secrets = await forHost(host)
        .then((command) => makeSecrets(command, options, values))
        .catch((error: unknown) => {
          if (!(error instanceof SettingsError) || files.length === 0) throw error;
          throw new SettingsError(error.problems, `Made so far: ${files.join(", ")}.`);
        });
      print(options.json, { ok: true, ...secrets, make: [...files, ...secrets.make] });
    });
}

/** How the running host gets its commits: from GitHub, from this machine, as its stack file says already, or not known yet. */
type CommitSource = RebuildSource | { source: "send" } | "declared" | "no origin";

/** The setting `rebuild` for the stack file; undefined if every part of it is the default. */
function rebuildSettingsOf({ rebuild, rebuildOnUp: when }: Options, source: CommitSource) {
  const where = typeof source === "string" ? {} : source;
  const settings = { ...(when !== undefined && { onUp: when }), ...(rebuild ? where : { enabled: false }) };
  return Object.keys(settings).length > 0 ? settings : undefined;
}

/** By the same order as an installation chooses its flake. A host fetches from GitHub alone, so this machine sends what is elsewhere. */
async function sourceFor(layout: Layout, host: string, { flake, like }: Options): Promise<CommitSource> {
  const own = readRawStackFile(layout, host);
  const named = own["flake"] ?? flake ?? readStackJson(layout).value?.base?.flake;
  const found = await rebuildSource(layout.root, typeof named === "string" ? named : undefined);
  if (found) return found;
  if ((like === undefined ? own : readRawStackFile(layout, like))["rebuild"] !== undefined) return "declared";
  const isElsewhere = named !== undefined || (await git(layout.root, "remote", "get-url", "origin")) !== undefined;
  return isElsewhere ? { source: "send" } : "no origin";
}

function rebuildText(host: string, { rebuild }: Options, source: CommitSource): string {
  if (!rebuild) return `${host} cannot be changed from here once it runs: clawdlets:rebuild.enabled is false`;
  if (source === "declared") return `rebuilds of ${host}: as stacks/Pulumi.${host}.yaml says`;
  if (source === "no origin")
    return `rebuilds of ${host}: this repository has no origin to fetch from. Before "up", set clawdlets:rebuild.repository, or clawdlets:rebuild.source to "send" (docs/day-two.md)`;
  if ("source" in source)
    return `rebuilds of ${host}: the flake is not on GitHub, so this machine sends it to the host (clawdlets:rebuild.source; docs/day-two.md)`;
  return `rebuilds of ${host} fetch branch ${source.branch ?? "main"} of ${source.repository}`;
}

async function askHost(layout: Layout): Promise<string> {
  const hosts = Object.keys(readStackJson(layout).value?.hosts ?? {});
  if (!canAsk()) return hosts.length === 1 && hosts[0] !== undefined ? hosts[0] : "";
  return askText("Name of the host, e.g. web-1", {
    initial: hosts[0] ?? "",
    problemOf: (value) => hostName.safeParse(value).error?.issues[0]?.message,
  });
}

/** Asks for what was not given of a host that stack.json does not know yet. */
async function askMissing(layout: Layout, host: string, options: Options): Promise<Options> {
  const stack = readStackJson(layout).value;
  const isKnown = stack !== undefined && hostEntry(stack, host) !== undefined;
  if (isKnown || !canAsk()) return options;
  const { adminCidr, sshPubkey, bots, flake, rebuildOnUp } = options;
  return {
    ...options,
    adminCidr:
      adminCidr ??
      (await askText("Your own network (only it can reach the server during the installation)", {
        problemOf: cidrProblem,
      })),
    sshPubkey:
      sshPubkey ??
      (await askText("Your ssh public key file", {
        initial: defaultKey() ?? "~/.ssh/id_ed25519.pub",
        problemOf: (value) => keyFileProblem(layout, value),
      })),
    bots:
      bots ??
      list(
        await askText("Names of the host's bots, separated by commas (empty for none)", {
          problemOf: (value) => settingProblem("bots", list(value)),
        }),
      ),
    ...(flake === undefined && stack?.base === undefined ? await askFlake() : {}),
    rebuildOnUp:
      rebuildOnUp ??
      (await askText(`How "up" changes the running host later (${onUp.join(", ")}; docs/day-two.md)`, {
        initial: "pinned",
        problemOf: (value) => settingProblem("rebuild", { onUp: value }),
      })),
  };
}

async function askFlake(): Promise<Pick<Options, "flake">> {
  const flake = await askText("Flake with the host's configuration (empty for this repository)", {
    problemOf: (value) => (value === "" ? undefined : settingProblem("flake", value)),
  });
  return flake === "" ? {} : { flake };
}

const onUp = ["pinned", "newest", "never"] as const;

/** Of the setting itself, or of a part of it such as `bots.1`. */
const isOf = ({ setting }: Problem, key: string) => setting?.replace(/^clawdlets:/, "").split(".")[0] === key;

/** What the stack file's own schema says against a value. */
function settingProblem(setting: keyof StackConfig, value: unknown): string | undefined {
  const { problems } = checkStackConfig({ [setting]: value }, "");
  const found = problems.find((problem) => isOf(problem, setting));
  return found && problemSentence(found);
}

/** The file is read when secrets are made; by then everything else is written. */
function keyFileProblem(layout: Layout, value: string): Objection | undefined {
  const asText = sshPubkeyFileProblem(value);
  if (asText !== undefined) return { code: "invalid-value", problem: asText };
  const path = resolve(layout.root, expandHome(value, process.env));
  const [problem] = readPublicKeyFile(path).problems;
  if (!problem) return undefined;
  const { code, fix } = problem;
  return { code, problem: `${path}: ${problem.problem}`, ...(fix !== undefined && { fix }) };
}

function defaultKey(): string | undefined {
  const name = ["id_ed25519.pub", "id_ed25519_sk.pub", "id_ecdsa.pub", "id_rsa.pub"].find((each) =>
    existsSync(join(homedir(), ".ssh", each)),
  );
  return name === undefined ? undefined : `~/.ssh/${name}`;
}
