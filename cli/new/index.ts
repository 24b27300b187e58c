import { relative, resolve } from "node:path";
import { Command } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { shellQuoted } from "../../core/base/wording.ts";
import { createRepository } from "../../core/tasks/new/create.ts";
import { checkPlace } from "../../core/tasks/new/place.ts";
import { nameProblems, planNew } from "../../core/tasks/new/plan.ts";
import { type NewOptions, parseNewOptions } from "../../core/tasks/new/request.ts";
import { stopSignal } from "../../engine/signals.ts";
import { askText, canAsk } from "../shared/ask.ts";
import { jsonOption, print, resultLines, tell } from "../shared/output.ts";
import { readText, whyUnread } from "../shared/values.ts";
import { reportOf, sayImported } from "./report.ts";

interface Options extends Omit<NewOptions, "dir"> {
  install: boolean;
  fromJson?: string;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets new DIR`: a repository of one's own, without a fork of this one. */
export function newCommand(): Command {
  return new Command("new")
    .argument("[dir]", "the folder to make; without it, you are asked")
    .option("--name <name>", "the project's name; the default is the folder's")
    .option("--from <path>", "carry over hosts and fleet of a project of regenrek/clawdlets, or of its clawdlets.json")
    .option(
      "--flake <uri>",
      "where the NixOS modules come from; the default is this version's own repository and commit",
    )
    .option(
      "--repository <url>",
      "where the new repository will be: git remote or flake; becomes origin, which init takes the hosts' flake from",
    )
    .option("--package <file>", "use this packed build (npm pack) in place of the version that npm has")
    .option("--no-install", "do not run npm install")
    .option("--from-json <file>", "read these options from a file, by their names; - reads standard input")
    .option("--dry-run", "show what would be created, and change nothing")
    .option(...jsonOption)
    .addHelpText(
      "after",
      `
The folder must be new or empty, and outside of other repositories. It is made in one step: if anything fails, nothing is
left. With --from, a report says what was carried over, what has another name and what has no counterpart; the other
project is only read.

Examples:
  clawdlets new my-bots
  clawdlets new my-bots --from ../fleet --dry-run
  clawdlets new my-bots --repository git@github.com:you/my-bots.git
  clawdlets new my-bots --package clawdlets-infra-0.1.0.tgz --json
  echo '{"dir": "my-bots", "install": false}' | clawdlets new --from-json -
`,
    )
    .action(async (dir: string | undefined, options: Options, command: Command) => {
      const isInstallGiven = command.getOptionValueSource("install") === "cli";
      await makeNew(await completed(dir, options, isInstallGiven), options);
    });
}

/** The command line wins over the JSON; on a terminal, the folder is asked for. */
async function completed(dir: string | undefined, options: Options, isInstallGiven: boolean): Promise<NewOptions> {
  const { fromJson } = options;
  const given = fromJson === undefined ? {} : parseNewOptions(await readSource(fromJson), `--from-json ${fromJson}`);
  return {
    dir: dir ?? given.dir ?? (await askFolder()),
    name: options.name ?? given.name,
    flake: options.flake ?? given.flake,
    repository: options.repository ?? given.repository,
    package: options.package ?? given.package,
    from: options.from ?? given.from,
    install: isInstallGiven ? options.install : (given.install ?? true),
  };
}

async function readSource(source: string): Promise<string> {
  try {
    return await readText(source);
  } catch (error) {
    throw new UserError(`--from-json ${source}: ${whyUnread(error)}.`, { exitCode: exitCodes.usage });
  }
}

async function askFolder(): Promise<string> {
  if (!canAsk()) {
    throw new UserError("Which folder? Name it, as in: clawdlets new my-bots", { exitCode: exitCodes.usage });
  }
  return askText("Folder to make, e.g. my-bots", {
    problemOf: (value) => {
      if (value.trim() === "") return "is empty";
      const [problem] = [...checkPlace(value, process.cwd()).problems, ...nameProblems(resolve(value))];
      return problem?.problem;
    },
  });
}

async function makeNew(asked: NewOptions, options: Options): Promise<void> {
  const { imported, make, flake, notes, repository, ...plan } = await planNew(asked, process.cwd());
  const { folder } = plan.place;
  const say = resultLines(options.json);
  const dryRun = options.dryRun === true;
  const installed = asked.install === true && !dryRun;
  const next = nextSteps(folder, installed, [...(imported?.hosts.keys() ?? [])], repository !== undefined);
  if (dryRun) for (const path of make) say(`would make ${path}`);
  else {
    const message = "Start with clawdlets";
    const remote = repository?.remote;
    const request = { ...plan, install: installed, remote, message, tell, signal: stopSignal() };
    const { isYours } = await createRepository(request);
    say(`made ${folder}: ${make.length} files, one commit`);
    if (!isYours) notes.push(noAuthor);
  }
  if (imported) sayImported(imported, say);
  for (const note of notes) say(`note: ${note}`);
  if (!dryRun) say(`next: ${next.join(" && ")}`);
  print(options.json, {
    ok: true,
    folder,
    dryRun,
    make,
    flake,
    ...(repository && { repository }),
    installed,
    notes,
    next,
    ...(imported && { import: reportOf(imported) }),
  });
}

const noAuthor =
  "git knows no name and address of yours, so the first commit has none: git config --global user.name and user.email, then git commit --amend --reset-author";

function nextSteps(folder: string, installed: boolean, hosts: readonly string[], hasOrigin: boolean): string[] {
  const here = relative(process.cwd(), folder);
  const init = "npx --no-install clawdlets init";
  return [
    ...(here === "" ? [] : [`cd ${shellQuoted(here)}`]),
    ...(installed ? [] : ["npm install", "git add --all", 'git commit -m "Lock packages"']),
    ...(hasOrigin ? ["git push --set-upstream origin main"] : []),
    ...(hosts.length === 0 ? [init] : hosts.map((host) => `${init} --host ${host}`)),
  ];
}
