import { Command, InvalidArgumentError } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { poll } from "../../core/base/wait-until.ts";
import { readBotHealth } from "../../core/host/facts/bot-health.ts";
import { isClosed, probePort } from "../../core/host/reach/probe.ts";
import { secretNameOf } from "../../core/project/secrets/bot-variables.ts";
import { openSecrets } from "../../core/project/secrets/open.ts";
import { readSecret } from "../../core/project/secrets/store.ts";
import { engineOrSetUp } from "../../engine/environment.ts";
import { attach, type ServerOptions, type Session } from "../server/_session.ts";
import { windowOption } from "../shared/behind-window.ts";
import { tell } from "../shared/output.ts";
import { botHostOption, withBot } from "./_session.ts";

interface Options extends ServerOptions {
  port?: number;
  token?: boolean;
}

/** `clawdlets bot open NAME`: a tunnel to a bot's gateway, which listens on the host's loopback alone. */
export function openCommand(): Command {
  return new Command("open")
    .argument("<name>", "the bot, e.g. maren")
    .option(...botHostOption)
    .option("--port <number>", "port on this machine; the default is the gateway's own", portNumber)
    .option(
      "--token",
      "also print the gateway's token, if this is a terminal; it opens everything to anyone who has it",
    )
    .option(...windowOption)
    .addHelpText("after", "\nExamples:\n  clawdlets bot open maren\n  clawdlets bot open maren --port 8080 --token\n")
    .action(async (bot: string, options: Options) => {
      if (options.token && !process.stdout.isTTY) {
        throw new UserError("--token: standard output is not a terminal, and the token must not end up in a log.", {
          exitCode: exitCodes.usage,
        });
      }
      await withBot(bot, options, (session) => open(session, bot, options));
    });
}

async function open(session: Session, bot: string, options: Options): Promise<void> {
  const [health] = await readBotHealth(session.run, [bot]);
  if (health?.port === undefined) {
    const problem = `${bot} has no gateway: its unit does not run OpenClaw, or does not exist.`;
    throw new UserError({ subject: session.host, problem, fix: `clawdlets bot status ${bot} --host ${session.host}` });
  }
  const local = options.port ?? health.port;
  const isFree = isClosed(await probePort("127.0.0.1", local, { timeoutMs: 2000 }));
  if (!isFree) {
    const problem = `port ${local} of this machine is in use. Pass another one: --port ${local + 1}`;
    throw new UserError(problem, { exitCode: exitCodes.usage });
  }
  const token = options.token ? await tokenOf(session, bot) : undefined;
  const forward = `127.0.0.1:${local}:127.0.0.1:${health.port}`;
  const tunnel = attach(session, [], ["-N", "-n", "-o", "ExitOnForwardFailure=yes", "-L", forward]);
  let isOver = false;
  const ended = tunnel.finally(() => {
    isOver = true;
  });
  const listens = async () => {
    const seen = await probePort("127.0.0.1", local, { timeoutMs: 500 });
    return isOver || !isClosed(seen) ? true : undefined;
  };
  await poll(listens, { seconds: 30, pauseMs: 100 });
  if (!isOver) {
    process.stdout.write(`http://127.0.0.1:${local}/\n`);
    if (token !== undefined) process.stdout.write(`token: ${token}\n`);
    const how = token === undefined ? " (--token prints it)" : "";
    tell(`The page asks for the gateway's token${how}. Ctrl-C closes the tunnel.`);
  }
  process.exitCode = await ended;
}

async function tokenOf({ layout, host }: Session, bot: string): Promise<string> {
  const { sops } = await engineOrSetUp(tell);
  const { store } = openSecrets(layout, host, { environment: process.env, sops });
  const name = secretNameOf(bot, "OPENCLAW_GATEWAY_TOKEN");
  const token = await readSecret(store, name);
  if (token !== undefined) return token.trim();
  throw new UserError({
    subject: host,
    problem: `the secret ${name} is not on this machine.`,
    fix: `clawdlets secrets init --host ${host}`,
  });
}

function portNumber(text: string): number {
  const value = /^[1-9][0-9]{3,4}$/.test(text) ? Number(text) : 0;
  if (value < 1024 || value > 65_535) throw new InvalidArgumentError("1024 to 65535");
  return value;
}
