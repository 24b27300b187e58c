import { messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { answerOf, createHetzner, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { run } from "../../base/machine/run.ts";
import { resolveFlake } from "../../host/flake/flake.ts";
import { checkInstaller, checkServer } from "../../host/install/preflight.ts";
import { verifyHost } from "../../host/lockdown/verify.ts";
import type { Layout } from "../../project/layout.ts";
import { readAccess } from "../../project/settings/access.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import type { DoctorContext } from "./context.ts";
import { attempt, type Finding, fromProblems, type Looked, notLookedAt, ok, problem, warning } from "./finding.ts";
import { checkOrphans, checkWindows } from "./orphans.ts";
import { checkOtherUsers } from "./other-users.ts";
import { readSettings } from "./stack.ts";

/** What an installation would need, what is at Hetzner, and whether the hosts are closed. Says what could not be reached. */
export async function checkDeploy(context: DoctorContext): Promise<Finding[]> {
  const [first = ""] = context.hosts;
  const api: Looked = { scope: "deploy", check: "Hetzner", looked: "the API with HCLOUD_TOKEN" };
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
      await answerOf("ask for a location", client.GET("/locations", { params: { query: { per_page: 1 } } }));
    } catch (error) {
      // Refused is an answer: the token is the matter, not the network.
      if (error instanceof HetznerApiError && error.status < 429)
        return [problem(api, messageOf(error), undefined, exitCodes.api)];
      throw error;
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
    const rest: Looked = {
      scope: "deploy",
      check: "hosts and orphans",
      looked: "servers, firewalls, keys, prices, TCP/22",
    };
    return [...tools, ...reached, notLookedAt(rest, "Hetzner's API could not be asked")];
  }
  const client = hetzner;
  const orphans: Looked = { scope: "deploy", check: "orphans", looked: "what has our labels" };
  return [
    ...tools,
    ...reached,
    ...(await checkEach(context, checkSold)),
    ...(await attempt(orphans, () => checkOrphans(client, context.layout))),
    ...(await attempt({ ...orphans, check: "windows" }, () => checkWindows(client))),
    ...(await checkClosed(context)),
  ];
}

/** Each host whose settings can be read; the scope `stack` says what is wrong with the others. */
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
      const looked: Looked = { scope: "deploy", host, check: "tools and catalogue", looked: "what its settings name" };
      found.push(notLookedAt(looked, "its settings cannot be read; the scope stack says why"));
    }
  }
  return found;
}

/** What every installation runs besides what the settings name. */
async function checkPrograms(): Promise<Finding[]> {
  const programs = [
    ["ssh", ["-V"]],
    ["git", ["--version"]],
    ["tar", ["--version"]],
  ] as const;
  const found = programs.map(([program, args]) => {
    const looked: Looked = { scope: "deploy", check: program, looked: "PATH" };
    return attempt(looked, async () => {
      const { exitCode, stdout, stderr } = await run(program, args, { timeoutSeconds: 10 });
      const [version = ""] = `${stdout}${stderr}`.split("\n");
      return exitCode === 0 ? [ok(looked, version)] : [problem(looked, `it does not run: ${version}`)];
    });
  });
  return (await Promise.all(found)).flat();
}

async function checkTools(
  { layout }: DoctorContext,
  settings: HostSettings,
  local: LocalSettings,
  isOnline: boolean,
): Promise<Finding[]> {
  const { host } = settings;
  const at = (check: string, looked: string): Looked => ({ scope: "deploy", host, check, looked });
  const installer = at("nixos-anywhere", "CLAWDLETS_NIXOS_ANYWHERE, PATH, nix");
  const flake = at("flake", settings.flake ?? local.flake ?? "the git origin");
  const tailscale = at("tailscale", local.tailscale);
  return [
    ...(await attempt(installer, async () => {
      const { found } = await checkInstaller(local);
      return [ok(installer, `found by ${found}`)];
    })),
    ...(await attempt(flake, () => checkFlake(flake, { layout, settings, local, isOnline }))),
    ...(settings.tailnet === "none" ? [] : await checkTailscale(tailscale, local)),
  ];
}

async function checkFlake(
  looked: Looked,
  {
    layout,
    settings,
    local,
    isOnline,
  }: { layout: Layout; settings: HostSettings; local: LocalSettings; isOnline: boolean },
): Promise<Finding[]> {
  try {
    return [ok(looked, `an installation would take ${await resolveFlake(layout, settings, local)}`)];
  } catch (error) {
    if (isOnline || !(error instanceof UserError)) throw error;
    return [notLookedAt(looked, `without network: ${messageOf(error)}`)];
  }
}

async function checkTailscale(looked: Looked, { tailscale }: LocalSettings): Promise<Finding[]> {
  const mend = "https://tailscale.com/download, then: tailscale up. Without it an installation ends in failure, closed";
  try {
    const { exitCode } = await run(tailscale, ["version"], { timeoutSeconds: 10 });
    return [exitCode === 0 ? ok(looked, "it runs") : warning(looked, "it does not run here", mend)];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [problem(looked, "it is not on PATH, and the tailnet is the way in", mend)];
  }
}

async function checkSold({ layout }: DoctorContext, settings: HostSettings, local: LocalSettings): Promise<Finding[]> {
  const { host, serverType, location, image } = settings;
  const looked: Looked = {
    scope: "deploy",
    host,
    check: "catalogue",
    looked: "Hetzner's server types, locations and images",
  };
  return attempt(looked, async () =>
    fromProblems(
      looked,
      await checkServer({ layout, settings, local }),
      `${serverType} is available in ${location}; ${image} is there`,
    ),
  );
}

/** What `clawdlets verify` finds, for each host; first the tailnet, then the API, then the port. */
async function checkClosed({ layout, hosts, environment, signal }: DoctorContext): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const host of hosts) {
    const looked: Looked = {
      scope: "deploy",
      host,
      check: "lockdown",
      looked: "the tailnet, the API's rules, TCP/22 from here",
    };
    const { ok: isOk, wrong, warnings, exitCode, seen } = await verifyHost({ layout, host, environment, signal });
    const mend = exitCode === exitCodes.open ? `clawdlets lockdown --host ${host}` : undefined;
    found.push(...wrong.map((text) => problem(looked, text, mend, exitCode)));
    found.push(...warnings.map((text) => (seen ? warning(looked, text) : ok(looked, text))));
    if (isOk && seen) found.push(ok(looked, "as declared"));
  }
  return found;
}
