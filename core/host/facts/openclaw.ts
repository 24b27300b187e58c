import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { parseJson } from "../../base/text/json.ts";
import { safeText } from "../../base/wording.ts";

type Run = (
  command: string,
  options: { timeoutSeconds: number },
) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

/** One bot on one host. @see nix/host/ask-openclaw.sh, which runs the bot's own OpenClaw in the bot's sandbox */
export interface Asked {
  host: string;
  bot: string;
  run: Run;
}

/** Channels as openclaw.json names them, and the codes that OpenClaw makes. nix/lib/sudo-commands.json has the same. */
export const channelPattern = /^[a-z][a-z0-9-]{0,31}$/;
export const pairingCodePattern = /^[A-HJ-NP-Z2-9]{8}$/;

/** Someone who wrote to the bot and got a code. All of it is the sender's or the bot's own word. */
export interface PairingRequest {
  channel: string;
  code: string;
  /** The sender's id, as `allowFrom` lists it. */
  sender: string;
  /** What the sender is called there. */
  name?: string;
  since?: string;
}

/** Text that a bot chooses: short, and safe for a terminal. */
const word = z.string().transform((text) => safeText(text, 80));

const pairingAnswer = z.object({
  requests: z.array(
    z.object({
      id: word,
      code: z.string().regex(pairingCodePattern),
      createdAt: word.optional(),
      meta: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});

/** The requests that wait for an answer. @throws UserError when the host or the bot's OpenClaw does not answer */
export async function readPairing(asked: Asked, channel: string): Promise<PairingRequest[]> {
  const { requests } = answerIn(pairingAnswer, asked, await ask(asked, `pairing-list ${channel}`));
  return requests.map(({ id, code, createdAt, meta = {} }) => {
    const name = [meta["username"], meta["name"], meta["firstName"]].find((each) => typeof each === "string");
    return {
      channel,
      code,
      sender: id,
      ...(typeof name === "string" && { name: safeText(name, 80) }),
      ...(createdAt !== undefined && { since: createdAt }),
    };
  });
}

/**
 * Lets a sender in.
 * @returns whether the bot has no owner: OpenClaw would write the first sender into its configuration, which is read-only here, and
 * then fails although the sender is let in (2026.9.6)
 * @throws UserError when the request is no longer there
 */
export async function approvePairing(
  asked: Asked,
  { channel, code }: PairingRequest,
): Promise<{ hasNoOwner: boolean }> {
  const { exitCode, stdout, stderr } = await ask(asked, `pairing-approve ${channel} ${code}`);
  const isApproved = /^Approved \S+ sender /m.test(stdout);
  if (isApproved) return { hasNoOwner: exitCode !== 0 };
  throw failure(asked, `did not approve ${code}: ${reasonIn(stderr) || stdout.trim()}`);
}

/** One account of a channel, as the bot's gateway sees it. */
export interface ChannelState {
  channel: string;
  account: string;
  running: boolean;
  /** Left out for a channel that has no lasting connection. */
  connected?: boolean;
  lifecycle?: string;
  error?: string;
}

const account = z.object({
  accountId: word,
  running: z.boolean().optional(),
  connected: z.boolean().optional(),
  lifecycle: word.optional(),
  lastError: word.nullish(),
});
const channelsAnswer = z.object({ channelAccounts: z.record(z.string(), z.array(account)).optional() });

/** The state of a bot's channels. @throws UserError when the host or the bot's gateway does not answer */
export async function readChannels(asked: Asked): Promise<ChannelState[]> {
  const { channelAccounts } = answerIn(channelsAnswer, asked, await ask(asked, "channels"));
  // Without its gateway, OpenClaw answers with what is configured.
  if (!channelAccounts) throw failure(asked, "has no gateway that answers");
  return Object.entries(channelAccounts).flatMap(([channel, accounts]) =>
    accounts.map(({ accountId, running = false, connected, lifecycle, lastError }) => ({
      channel: safeText(channel, 80),
      account: accountId,
      running,
      ...(connected !== undefined && { connected }),
      ...(lifecycle !== undefined && { lifecycle }),
      ...(lastError && { error: lastError }),
    })),
  );
}

/** Whether a channel does what it should. */
export const isWorking = ({ running, connected }: ChannelState): boolean => running && connected !== false;

async function ask({ bot, run }: Asked, words: string) {
  // Longer than the host's own limit: a small host under load starts the program slowly.
  return await run(`sudo -n /run/current-system/sw/bin/clawdlets-openclaw-${bot} ${words}`, { timeoutSeconds: 180 });
}

function answerIn<T>(schema: z.ZodType<T>, asked: Asked, { exitCode, stdout, stderr }: Awaited<ReturnType<Run>>): T {
  const answer = exitCode === 0 ? schema.safeParse(parseJson(stdout)) : undefined;
  if (answer?.success) return answer.data;
  throw failure(asked, `did not answer: ${reasonIn(stderr) || "no JSON on its standard output"}`);
}

/** OpenClaw's own reason, or the last thing that was said. */
function reasonIn(stderr: string): string {
  const lines = stderr.trim().split("\n");
  const reason = lines.find((line) => line.startsWith("[openclaw] Reason: "))?.slice("[openclaw] Reason: ".length);
  return safeText(reason ?? lines.at(-1) ?? "", 300);
}

function failure({ host, bot }: Asked, what: string): UserError {
  const fix = `See clawdlets bot status ${bot} --host ${host}. If the host's system is older than this command: clawdlets rebuild --host ${host}`;
  return new UserError({ subject: host, problem: `OpenClaw of ${bot} ${what}.`, fix });
}
