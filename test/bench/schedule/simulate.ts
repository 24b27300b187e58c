import { admission } from "../../../core/tasks/fleet/admission.ts";
import { requestsForCreation } from "../../../core/tasks/fleet/requests.ts";
import { runFleet } from "../../../core/tasks/fleet/run.ts";
import { VirtualClock } from "./clock.ts";
import { SimulatedAccount, SimulatedProject } from "./hetzner.ts";
import { createHost, type World } from "./host.ts";

/** What is simulated. Times are in seconds. */
export interface Plan {
  hosts: number;
  /** Projects that the hosts are shared out to; each has its own request limit and its own `up --all`. */
  projects: number;
  /** `--parallel` of each `up --all`. */
  parallel: number;
  /** Shortest and longest time of one of Hetzner's actions. */
  actions: readonly [number, number];
  install: number;
  /** Hetzner's limits: requests an hour of a project, firewalls of the account. */
  requestLimit: number;
  firewallLimit: number;
  seed: number;
}

export interface Schedule {
  /** Hosts created and locked. */
  done: number;
  failed: number;
  minutes: number;
  hostsPerHour: number;
  requestsPerHost: number;
  refused: number;
  mostFirewalls: number;
  mostAtOnce: number;
  /** Share of the time of all slots of `--parallel` that hosts waited in for Hetzner's request limit, 0 to 1. */
  waitingForRequests: number;
  /** What more of would have made it faster. */
  boundBy: "requests" | "parallel" | "firewalls";
  /** Hosts that were done at the end of each ten minutes. */
  everyTenMinutes: number[];
}

/** Runs the fleet's own scheduler and request reservation (core/tasks/fleet) against Hetzner's limits, on a virtual clock. */
export async function simulate(plan: Plan): Promise<Schedule> {
  const clock = new VirtualClock();
  const account = new SimulatedAccount(plan.firewallLimit);
  const random = randomNumbers(plan.seed);
  const [shortest, longest] = plan.actions;
  const actionSeconds = () => shortest + random() * (longest - shortest);
  const endedAt: number[] = [];
  const projects: SimulatedProject[] = [];
  let failed = 0;
  let waited = 0;
  let atOnce = 0;
  let mostAtOnce = 0;
  const oneProject = async (hosts: string[]) => {
    const project = new SimulatedProject(plan.requestLimit, () => clock.seconds);
    projects.push(project);
    const world: World = { clock, account, project, actionSeconds, installSeconds: plan.install };
    const { admit } = admission(
      () => requestsForCreation,
      async () => (project.request() ? project.limit : { ...project.limit, remaining: 0 }),
      { now: () => clock.seconds * 1000, wait: (seconds, signal) => clock.wait(seconds, signal) },
    );
    await runFleet({
      hosts,
      parallel: plan.parallel,
      keepGoing: true,
      signal: new AbortController().signal,
      admission: {
        async admit(host, tell, signal) {
          const before = clock.seconds;
          const release = await admit(host, tell, signal);
          waited += clock.seconds - before;
          return release;
        },
      },
      task: async () => {
        atOnce += 1;
        mostAtOnce = Math.max(mostAtOnce, atOnce);
        const ok = await createHost(world).then(
          () => true,
          () => false,
        );
        atOnce -= 1;
        if (ok) endedAt.push(clock.seconds);
        else failed += 1;
        return { ok, exitCode: ok ? 0 : 6, summary: "", result: undefined };
      },
      watch: { started: () => undefined, told: () => undefined, ended: () => undefined },
    });
  };
  await clock.run(Promise.all(shares(plan).map(oneProject)));
  const seconds = Math.max(...endedAt, 1);
  const slots = plan.parallel * plan.projects * seconds;
  const waitingForRequests = waited / slots;
  return {
    done: endedAt.length,
    failed,
    minutes: seconds / 60,
    hostsPerHour: (endedAt.length * 3600) / seconds,
    requestsPerHost: projects.reduce((sum, { answered }) => sum + answered, 0) / plan.hosts,
    refused: projects.reduce((sum, { refused }) => sum + refused, 0),
    mostFirewalls: account.mostFirewalls,
    mostAtOnce,
    waitingForRequests,
    boundBy: failed > 0 ? "firewalls" : waitingForRequests > 0.1 ? "requests" : "parallel",
    everyTenMinutes: Array.from({ length: Math.ceil(seconds / 600) }, (_, index) => {
      return endedAt.filter((end) => end <= (index + 1) * 600).length;
    }),
  };
}

function shares({ hosts, projects }: Plan): string[][] {
  const names = Array.from({ length: hosts }, (_, index) => `web-${index + 1}`);
  return Array.from({ length: projects }, (_, project) => names.filter((_name, index) => index % projects === project));
}

/** The same numbers for the same seed, from 0 up to 1: a linear congruential generator with the constants of Numerical Recipes. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
