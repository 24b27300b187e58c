import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { cidrProblem } from "../core/project/firewall/cidr.ts";
import { findLayout, type Layout } from "../core/project/layout.ts";
import { hostName } from "../core/project/settings/names.ts";
import { hostEntry, readStackJson } from "../core/project/settings/stack-json.ts";
import { scaffold } from "../core/tasks/scaffold.ts";
import { makeSecrets } from "./secrets/init.ts";
import { askText, canAsk } from "./shared/ask.ts";
import { resultLines } from "./shared/output.ts";
import { forHost, print } from "./shared/secrets.ts";

interface Options {
  host?: string;
  adminCidr?: string;
  sshPubkey?: string;
  serverType?: string;
  location?: string;
  tailnet?: string;
  flake?: string;
  bots?: string[];
  fromJson?: string;
  yes?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

const list = (text: string) => [...new Set(text.split(",").map((each) => each.trim()))];

/** `clawdlets init`: the files of a project, and everything one host needs before `up`. */
export function initCommand(): Command {
  return new Command("init")
    .option("--host <name>", "the host; asked for where it is left out")
    .option(
      "--admin-cidr <network>",
      "your own network: the installation is reached from there alone, e.g. 203.0.113.7/32",
    )
    .option("--ssh-pubkey <file>", "your public key, e.g. ~/.ssh/id_ed25519.pub")
    .option("--server-type <type>", "Hetzner server type, x86; COSTS MONEY once it is created", "cx43")
    .option("--location <name>", "Hetzner location, e.g. nbg1")
    .option("--tailnet <kind>", "tailscale or none")
    .option("--flake <uri>", "the flake with the host's configuration; left out: this repository")
    .option("--bots <names>", "names of the host's bots, with commas", list)
    .option("--from-json <file>", 'the secrets in plain text as {"name": "value"}; - reads standard input')
    .option("--yes", "replace secrets that are there by other values given here")
    .option("--dry-run", "say what would be made; change nothing")
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      "\nAsks for what is missing where there is a terminal. Without one and without --from-json it makes the files and says what is next.\n\nExamples:\n  clawdlets init\n  clawdlets init --host web-1 --admin-cidr 203.0.113.7/32 --ssh-pubkey ~/.ssh/id_ed25519.pub --bots maren\n  pass show web-1 | clawdlets init --host web-1 --from-json -\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      const host = options.host ?? (await askHost(layout));
      const files = await scaffold({
        layout,
        host,
        entry: await entryOf(layout, host, options),
        flake: options.flake,
        settings: { location: options.location, tailnet: options.tailnet, bots: options.bots },
        dryRun: options.dryRun === true,
      });
      for (const path of files) say(options.dryRun ? `would make ${path}` : `made ${path}`);
      // A dry run of the rest would need the files that it did not make.
      const canGoOn = !options.dryRun && (options.fromJson !== undefined || (canAsk() && !options.json));
      if (!canGoOn) {
        const next = `clawdlets secrets init --host ${host}`;
        say(`next: your Hetzner token into .clawdlets/.env, then ${next}`);
        print(options.json, { ok: true, host, dryRun: options.dryRun === true, make: files, change: [], next });
        return;
      }
      const secrets = await makeSecrets(await forHost(host), options);
      print(options.json, { ok: true, ...secrets, make: [...files, ...secrets.make] });
    });
}

async function askHost(layout: Layout): Promise<string> {
  const hosts = Object.keys(readStackJson(layout).value?.hosts ?? {});
  if (!canAsk()) return hosts.length === 1 && hosts[0] !== undefined ? hosts[0] : "";
  return askText("Name of the host, e.g. web-1", {
    initial: hosts[0] ?? "",
    problemOf: (value) => hostName.safeParse(value).error?.issues[0]?.message,
  });
}

/** What stack.json is to say of the host; asked for only where it does not say it yet. */
async function entryOf(layout: Layout, host: string, { adminCidr, sshPubkey, serverType }: Options) {
  const stack = readStackJson(layout).value;
  const isKnown = stack !== undefined && hostEntry(stack, host) !== undefined;
  const entry = { adminCidr, sshPubkeyFile: sshPubkey ?? defaultKey(), serverType };
  if (isKnown || !canAsk()) return entry;
  return {
    serverType,
    adminCidr:
      adminCidr ??
      (await askText("Your own network (the installation is reached from there alone)", { problemOf: cidrProblem })),
    sshPubkeyFile:
      sshPubkey ?? (await askText("Your ssh public key file", { initial: defaultKey() ?? "~/.ssh/id_ed25519.pub" })),
  };
}

function defaultKey(): string | undefined {
  const name = ["id_ed25519.pub", "id_ed25519_sk.pub", "id_ecdsa.pub", "id_rsa.pub"].find((each) =>
    existsSync(join(homedir(), ".ssh", each)),
  );
  return name === undefined ? undefined : `~/.ssh/${name}`;
}
