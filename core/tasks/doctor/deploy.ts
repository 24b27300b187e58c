import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { answerOf, createHetzner, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { run } from "../../base/machine/run.ts";
import { codeOfExit } from "../../base/problem.ts";
import { resolveFlake } from "../../host/flake/flake.ts";
import { checkInstaller, checkServer } from "../../host/install/preflight.ts";
import { verifyHost } from "../../host/lockdown/verify.ts";
import { readTailnetClient } from "../../host/reach/tailnet-client.ts";
import { checkAuthKey, settingOf } from "../../host/tailnet/check.ts";
import type { Layout } from "../../project/layout.ts";
import { readAccess } from "../../project/settings/access.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import type { DoctorContext } from "./context.ts";
import {
  attempt,
  type Check,
  type Finding,
  fromProblems,
  notChecked,
  ok,
  problem,
  unanswered,
  warning,
} from "./finding.ts";
import { checkOrphans, checkWindows } from "./orphans.ts";
import { checkOtherUsers } from "./other-users.ts";
import { checkSnapshots } from "./snapshots.ts";
import { readSettings } from "./stack.ts";

/** Checks what an installation needs, what is at Hetzner, and that hosts are closed. Reports what could not be reached. */
export async function checkDeploy(context: DoctorContext): Promise<Finding[]> {
  const [first = ""] = context.hosts;
  const api: Check = { scope: "deploy", check: "Hetzner", subject: "the API with HCLOUD_TOKEN" };
  let hetzner: Hetzner | undefined;
  const reached = await attempt(api, async () => {
    const { endpoint, token } = readAccess(context.layout, first, context.environment);
    const client = createHetzner({
      endpoint,
      token,
      limits: { attempts: 2, maxWaitSeconds: 3 },
      signal: context.signal,
    });
    try {
      await answerOf("list the locations", client.GET("/locations", { params: { query: { per_page: 1 } } }));
    } catch (error) {
      // A refusal is an answer: the problem is the token, not the network.
      if (!(error instanceof HetznerApiError) || error.status >= 429) throw error;
      const { code, problem: text, fix } = error.problem;
      return [problem(api, code, text, fix, exitCodes.api)];
    }
    hetzner = client;
    return [ok(api, `${endpoint} answers`)];
  });
  const isOnline = hetzner !== undefined;
  const tools = [
    ...(context.refusesOthers === undefined ? [] : checkOtherUsers(context.refusesOthers)),
    ...(await checkPrograms()),
    ...(await checkEach(context, (_, settings, local) => checkTools(context, settings, local, isOnline))),
  ];
  if (!hetzner) {
    const rest: Check = {
      scope: "deploy",
      check: "hosts and orphans",
      subject: "servers, firewalls, keys, prices, TCP/22",
    };
    return [...tools, ...reached, notChecked(rest, "Hetzner's API could not be reached")];
  }
  const client = hetzner;
  const orphans: Check = { scope: "deploy", check: "orphans", subject: "resources with our labels" };
  return [
    ...tools,
    ...reached,
    ...(await checkEach(context, checkSold)),
    ...(await attempt(orphans, () => checkOrphans(client, context.layout))),
    ...(await attempt({ ...orphans, check: "windows" }, () => checkWindows(client))),
    ...(await attempt({ ...orphans, check: "snapshots" }, () => checkSnapshots(client, context.layout))),
    ...(await checkClosed(context)),
  ];
}

/** Runs a check for each host whose settings can be read; the scope `stack` reports problems of the others. */
async function checkEach(
  context: DoctorContext,
  check: (context: DoctorContext, settings: HostSettings, local: LocalSettings) => Promise<Finding[]>,
): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const host of context.hosts) {
    const { settings, local, findings } = readSettings(context, host);
    await findings;
    if (settings && local) found.push(...(await check(context, settings, local)));
    else {
      const about: Check = { scope: "deploy", host, check: "tools and catalogue", subject: "what its settings name" };
      found.push(notChecked(about, "its settings cannot be read; see the findings of scope stack"));
    }
  }
  return found;
}

/** Programs that every installation runs, in addition to those named in the settings. */
async function checkPrograms(): Promise<Finding[]> {
  const programs = [
    ["ssh", ["-V"]],
    ["git", ["--version"]],
    ["tar", ["--version"]],
  ] as const;
  const found = programs.map(([program, args]) => {
    const about: Check = { scope: "deploy", check: program, subject: "PATH" };
    return attempt(about, async () => {
      const { exitCode, stdout, stderr } = await run(program, args, { timeoutSeconds: 10 });
      const [version = ""] = `${stdout}${stderr}`.split("\n");
      return exitCode === 0 ? [ok(about, version)] : [problem(about, "program-missing", `does not run: ${version}`)];
    });
  });
  return (await Promise.all(found)).flat();
}

async function checkTools(
  { layout, signal, sops = "sops" }: DoctorContext,
  settings: HostSettings,
  local: LocalSettings,
  isOnline: boolean,
): Promise<Finding[]> {
  const { host } = settings;
  const at = (check: string, subject: string): Check => ({ scope: "deploy", host, check, subject });
  const installer = at("nixos-anywhere", "CLAWDLETS_NIXOS_ANYWHERE, PATH, nix");
  const flake = at("flake", settings.flake ?? local.flake ?? "the git origin");
  const tailscale = at("tailscale", local.tailscale);
  return [
    ...(await attempt(installer, async () => {
      if (settings.install.mode === "snapshot") return [ok(installer, "not needed: install.mode is snapshot")];
      const { found } = await checkInstaller(local);
      return [ok(installer, `found by ${found}`)];
    })),
    ...(await attempt(flake, () => checkFlake(flake, { layout, settings, local, isOnline }))),
    ...(settings.tailnet === "none" ? [] : await checkTailscale(tailscale, local, signal)),
    ...(local.tailnetApi ? await checkTailnetApi(at, { settings, local, layout, sops, signal }) : []),
  ];
}

/** Read-only, so it does not tell whether Tailscale accepts the tags: `up` checks that before it buys anything. */
async function checkTailnetApi(
  at: (check: string, subject: string) => Check,
  { signal, ...asked }: Parameters<typeof checkAuthKey>[0] & { signal: AbortSignal },
): Promise<Finding[]> {
  const { tailnetApi } = asked.local;
  if (!tailnetApi) return [];
  const about = at("tailnet's API", `${tailnetApi.endpoint} with ${settingOf(tailnetApi.service)}`);
  const limits = { attempts: 2, maxWaitSeconds: 3 };
  return attempt(about, async () => {
    const found = await checkAuthKey(asked, { mints: false, limits, signal });
    return fromProblems(about, found, "accepts the credentials; each installation gets a key of its own");
  });
}

async function checkFlake(
  about: Check,
  {
    layout,
    settings,
    local,
    isOnline,
  }: { layout: Layout; settings: HostSettings; local: LocalSettings; isOnline: boolean },
): Promise<Finding[]> {
  try {
    return [ok(about, `an installation would take ${await resolveFlake(layout, settings, local)}`)];
  } catch (error) {
    if (isOnline) throw error;
    return [unanswered(about, error, "without network")];
  }
}

async function checkTailscale(about: Check, local: LocalSettings, signal: AbortSignal): Promise<Finding[]> {
  const fix =
    "https://tailscale.com/download, then: tailscale up. Without it an installation fails, with the port closed";
  try {
    const client = await readTailnetClient(local, signal);
    if (client.problem) return [problem(about, client.problem.code, client.problem.problem, client.problem.fix)];
    const how = client.isUserspace
      ? 'in the tailnet, with userspace networking: ssh uses "tailscale nc"'
      : "in the tailnet";
    return [ok(about, how), ...client.warnings.map((each) => warning(about, each.code, each.problem, each.fix))];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [problem(about, "program-missing", "is not on PATH, but the tailnet is the way in", fix)];
  }
}

async function checkSold({ layout }: DoctorContext, settings: HostSettings, local: LocalSettings): Promise<Finding[]> {
  const { host, serverType, location, locations = [location], serverTypes, image } = settings;
  const about: Check = {
    scope: "deploy",
    host,
    check: "catalogue",
    subject: "Hetzner's server types, locations and images",
  };
  return attempt(about, async () =>
    fromProblems(
      about,
      await checkServer({ layout, settings, local }),
      `${[serverType, ...serverTypes].join(" or ")} is available in ${locations.join(" or ")}; ${image} exists`,
    ),
  );
}

/** Runs `clawdlets verify` for each host: first the tailnet, then the API, then the port. */
async function checkClosed({ layout, hosts, environment, signal }: DoctorContext): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const host of hosts) {
    const about: Check = {
      scope: "deploy",
      host,
      check: "lockdown",
      subject: "the tailnet, the API's rules, TCP/22 from here",
    };
    const { ok: isOk, wrong, warnings, exitCode, seen } = await verifyHost({ layout, host, environment, signal });
    const fix = exitCode === exitCodes.open ? `clawdlets lockdown --host ${host}` : undefined;
    const code = exitCode === exitCodes.failed ? "not-locked-down" : codeOfExit(exitCode);
    found.push(...wrong.map((text) => problem(about, code, text, fix, exitCode)));
    found.push(...warnings.map((text) => (seen ? warning(about, "not-locked-down", text) : ok(about, text))));
    if (isOk && seen) found.push(ok(about, "as declared"));
  }
  return found;
}
