import sudoCommands from "../../../nix/lib/sudo-commands.json" with { type: "json" };
import type { FileTree } from "../files/tree.ts";
import { exists, generationsOf } from "../system/activation.ts";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { failed, ok } from "./context.ts";

const sw = "/run/current-system/sw/bin";
const ofOpenclaw = "clawdlets-openclaw-";

/** A command line as sudoers has it. Programs of our own are run as root elsewhere (system.ts). */
function patternOf(command: string): RegExp {
  const [, program = "", args = ""] = /^(\S+) (.*)$/.exec(command) ?? [];
  const exact = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const wanted = args.startsWith("^") ? args.slice(1, -1) : exact(args);
  const line = `^${exact(`${sw}/${program}`)} ${wanted}$`;
  return new RegExp(line.replace(/@bot(?:Pattern)?@/, "(?<bot>[a-z][a-z0-9_-]{0,26})"));
}

/** What admin may run as root besides the commands of our own. */
const allowed = [...sudoCommands.host, ...sudoCommands.rebuild, ...sudoCommands.bot]
  .filter((command) => !command.startsWith("clawdlets-") || command.startsWith(ofOpenclaw))
  .map(patternOf);

/** @param words after `sudo -n` @returns whether sudo lets admin run them as root */
export function mayOperate(tree: FileTree, hostname: string, words: readonly string[]): boolean {
  const line = words.join(" ");
  return allowed.some((pattern) => {
    const found = pattern.exec(line);
    const bot = found?.groups?.["bot"];
    return found !== null && (bot === undefined || isBot(tree, hostname, bot));
  });
}

/** A bot of a host is one whose token is there: of Discord without a folder, of its gateway with one. */
function isBot(tree: FileTree, hostname: string, bot: string): boolean {
  const tokens = [`discord_token_${bot}`, `${bot}_openclaw_gateway_token`];
  return tokens.some((name) => exists(tree, `/var/lib/clawdlets/secrets/hosts/${hostname}/${name}.yaml`));
}

/** `systemctl` on a bot's unit: restarted ones are noted, and a stopped one is told as such. */
export function systemctlOnBot(args: string[], { user, machine, fs }: Session): ExecResult | null {
  const unit = args.at(-1) ?? "";
  const bot = /^clawdbot-(.+)\.service$/.exec(unit)?.[1];
  const verb = args.find((arg) => !arg.startsWith("-")) ?? "";
  if (bot === undefined || machine.os !== "nixos" || !["start", "stop", "restart", "status", "show"].includes(verb))
    return null;
  if (verb === "show") return ok(`${propertiesOf(fs.tree, machine.hostname, bot).join("\n")}\n`);
  if (!isBot(fs.tree, machine.hostname, bot)) return failed(`Unit ${unit} could not be found.`, 4);
  if (verb === "status") return ok(`● ${unit} - Bot ${bot}\n     Active: active (running)\n`);
  return user.uid === 0 ? ok() : failed(`Failed to ${verb} ${unit}: Interactive authentication required.`);
}

/** As `systemctl show` prints them, for a unit that is not there too. */
function propertiesOf(tree: FileTree, hostname: string, bot: string): string[] {
  if (!isBot(tree, hostname, bot)) return ["ActiveState=inactive", "ActiveEnterTimestamp="];
  const started = ["ActiveState=active", "ActiveEnterTimestamp=Wed 2026-11-25 10:00:00 UTC", "NRestarts=0"];
  return hasGateway(tree, hostname, bot)
    ? [...started, `ExecStart={ argv[]=openclaw gateway --port ${gatewayPort} ; }`]
    : started;
}

const hasGateway = (tree: FileTree, hostname: string, bot: string) =>
  exists(tree, `/var/lib/clawdlets/secrets/hosts/${hostname}/${bot}_openclaw_gateway_token.yaml`);

/** Of every emulated bot: what is declared in Nix is not evaluated. */
export const gatewayPort = 20_000;

/** The only thing there is to ask: no bot runs here, so that its health is made up, and says so. */
function curl(args: string[]): ExecResult {
  if (args.at(-1) === `http://127.0.0.1:${gatewayPort}/health`) return ok('{"ok":true,"status":"simulated"}');
  return failed("curl: (7) Failed to connect: there is no network in the emulator", 7);
}

/** The code of the one request for pairing that each emulated bot has. */
const pairingCode = "ABCD2345";

/** What a bot's OpenClaw says, which does not run here: all of it is made up, and says so. */
export function askOpenclaw(program: string, [verb, channel = "", code]: string[]): ExecResult | null {
  if (!program.startsWith(ofOpenclaw)) return null;
  const json = (value: unknown) => ok(`${JSON.stringify(value)}\n`);
  if (verb === "channels") {
    const account = { accountId: "default", running: true, connected: true, lifecycle: "simulated" };
    return json({ channelAccounts: { discord: [account] } });
  }
  const requests = [{ id: "4242", code: pairingCode, meta: { username: "simulated" } }];
  if (verb === "pairing-list") return json({ channel, requests });
  return code === pairingCode
    ? ok(`Approved ${channel} sender 4242.\n`)
    : failed(`[openclaw] Reason: No pending pairing request found for code "${code}".`);
}

function journalctl(args: string[], _context: CommandContext, { user }: Session): ExecResult {
  if (user.uid !== 0) return failed("No journal files were opened due to insufficient permissions.");
  const unit = args.find((arg) => arg.startsWith("--unit="))?.slice("--unit=".length) ?? "";
  if (unit.startsWith("clawdlets-egress-proxy-")) {
    const refusal = 'NOTICE    Nov 25 10:00:00.000 [1]: Proxying refused on filtered url "simulated.example:443"';
    return ok(`2026-11-25T10:00:00+0000 emulated tinyproxy[1]: ${refusal}\n`);
  }
  return ok(`2026-11-25T10:00:00+0000 emulated systemd[1]: Started ${unit}.\n`);
}

/** What `nix-env --list-generations` prints. */
export function listGenerations(tree: FileTree): ExecResult {
  const rows = generationsOf(tree).map(
    ({ number, isCurrent }) =>
      `${String(number).padStart(4)}   2026-11-25 10:00:00   ${isCurrent ? "(current)" : ""}\n`,
  );
  return ok(rows.join(""));
}

export const operateCommands: CommandTable = { journalctl, curl };
