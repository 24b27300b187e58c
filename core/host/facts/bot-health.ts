import { counted } from "../../base/wording.ts";
import { askHost } from "../reach/ask.ts";

type Run = (command: string) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

/** A bot's unit, by systemd, and its gateway, by its own word. */
export interface BotHealth {
  bot: string;
  /** `active`, `failed`, … ; `unknown` if systemd does not know the unit. */
  state: string;
  /** When it was last started, as systemd prints it. */
  since?: string;
  /** Restarts by systemd since it was started by hand or at boot. */
  restarts?: number;
  memoryBytes?: number;
  /** Of the package, if its store path names one. */
  version?: string;
  /** Port of its gateway; left out for a bot that is not OpenClaw. */
  port?: number;
  /** What the gateway answers on /health. Left out for a bot without gateway. */
  health?: { ok: boolean; status: string };
}

const properties = ["ActiveState", "ActiveEnterTimestamp", "NRestarts", "MemoryCurrent", "ExecStart"];

/** Asks systemd about each bot, then each gateway. The admin login is enough. */
export async function readBotHealth(run: Run, bots: readonly string[]): Promise<BotHealth[]> {
  const show = `systemctl show --property=${properties.join(",")}`;
  const shown = await askAbout(run, bots, (bot) => `${show} clawdbot-${bot}.service`);
  const seen = bots.map((bot) => unitIn(bot, shown[bot] ?? ""));
  const gateways = seen.flatMap(({ bot, port, state }) =>
    port !== undefined && state === "active" ? [{ bot, port }] : [],
  );
  const portOf = new Map(gateways.map(({ bot, port }) => [bot, port]));
  // Not through a proxy, whatever the session's environment says.
  const ask = (bot: string) => `curl -sS --noproxy '*' --max-time 5 http://127.0.0.1:${portOf.get(bot)}/health 2>&1`;
  const answers = await askAbout(run, [...portOf.keys()], ask);
  return seen.map((each) => {
    const answer = answers[each.bot];
    return answer === undefined ? each : { ...each, health: healthIn(answer) };
  });
}

async function askAbout(
  run: Run,
  bots: readonly string[],
  command: (bot: string) => string,
): Promise<Record<string, string>> {
  if (bots.length === 0) return {};
  const answers = await askHost(run, Object.fromEntries(bots.map((bot) => [bot, command(bot)])));
  return answers ?? {};
}

/** Of the output of `systemctl show`. */
export function unitIn(bot: string, text: string): BotHealth {
  const entries = text.split("\n").map((line) => line.split(/=(.*)/s));
  const value = new Map(entries.map(([key = "", rest = ""]) => [key, rest]));
  const number = (key: string) => {
    const found = value.get(key) ?? "";
    // "[not set]", and 2^64 - 1 for what is not known.
    return /^\d{1,15}$/.test(found) ? Number(found) : undefined;
  };
  const command = value.get("ExecStart") ?? "";
  const port = /\sgateway --port (\d{1,5})\s/.exec(command)?.[1];
  const version = /\/nix\/store\/[a-z0-9]{32}-[a-z-]*?-(\d[\w.]*)\//.exec(command)?.[1];
  const since = value.get("ActiveEnterTimestamp") ?? "";
  const [restarts, memoryBytes] = [number("NRestarts"), number("MemoryCurrent")];
  return {
    bot,
    state: value.get("ActiveState") || "unknown",
    ...(since !== "" && { since }),
    ...(restarts !== undefined && { restarts }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(version !== undefined && { version }),
    ...(port !== undefined && { port: Number(port) }),
  };
}

/** Of what curl printed. A bot could answer anything. */
export function healthIn(answer: string): NonNullable<BotHealth["health"]> {
  try {
    const { ok, status } = JSON.parse(answer) as { ok?: unknown; status?: unknown };
    return { ok: ok === true, status: typeof status === "string" ? status : "no status" };
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    return { ok: false, status: `does not answer: ${answer.split("\n")[0] ?? ""}` };
  }
}

/** Whether nothing is wrong with a bot. */
export const isHealthy = ({ state, health }: BotHealth): boolean => state === "active" && health?.ok !== false;

/** One line about a bot. */
export function healthLine({ bot, state, health, version, memoryBytes, restarts, since }: BotHealth): string {
  const gateway = health && `gateway ${health.ok ? "healthy" : "NOT healthy"} (${health.status})`;
  const memory = memoryBytes !== undefined && `${Math.round(memoryBytes / 1_000_000)} MB`;
  const again = restarts !== undefined && counted(restarts, "restart");
  const parts = [state, gateway, version && `version ${version}`, memory, again, since && `since ${since}`];
  return `${bot}: ${parts.filter((part) => part).join(", ")}`;
}
