import { expect, it } from "vitest";
import { ManyHosts } from "../_many-hosts.ts";
import { VirtualClock } from "../bench/schedule/clock.ts";
import { SimulatedAccount, SimulatedProject } from "../bench/schedule/hetzner.ts";
import { createHost } from "../bench/schedule/host.ts";

/** The requests of the model that `npm run bench -- schedule` works with. */
async function simulated(actionSeconds: number): Promise<number> {
  const clock = new VirtualClock();
  const project = new SimulatedProject(3600, () => clock.seconds);
  const account = new SimulatedAccount(50);
  await clock.run(createHost({ clock, account, project, actionSeconds: () => actionSeconds, installSeconds: 240 }));
  return project.answered;
}

// A poll more or less decides how busy this machine is.
it.each([
  { actionMs: 300, mayDiffer: 1 },
  { actionMs: 5000, mayDiffer: 3 },
])(
  "an up with actions of $actionMs ms sends as many requests as the schedule of a fleet reckons with",
  async ({ actionMs, mayDiffer }) => {
    const lab = await ManyHosts.open(["web-1"], { actionMs });
    try {
      const { exitCode, stderr } = await lab.run(["up", "--host", "web-1"]);
      expect(exitCode, String(stderr)).toBe(0);
      const difference = lab.requests - (await simulated(actionMs / 1000));
      expect(Math.abs(difference), `${lab.requests} requests`).toBeLessThanOrEqual(mayDiffer);
    } finally {
      await lab.close();
    }
  },
  300_000,
);
