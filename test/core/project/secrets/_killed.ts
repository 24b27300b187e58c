/** Run by the kill tests: does one thing to a project's secrets and dies by SIGKILL right before its n-th write step. */
import { writeSync } from "node:fs";
import { observeWrites } from "../../../../core/base/machine/private-files.ts";
import { layoutOf } from "../../../../core/project/layout.ts";
import { initHost, LabHost, openHost, rotateHost, valuesFor } from "./_lab.ts";

const [root = "", host = "", what = "", hostFolder = "", killAt = "0"] = process.argv.slice(2);
let step = 0;
observeWrites((name) => {
  step++;
  if (step !== Number(killAt)) return;
  writeSync(1, name);
  process.kill(process.pid, "SIGKILL");
});

const layout = layoutOf(root);
if (what === "init") await initHost(layout, host, valuesFor(openHost(layout, host), "first"));
else await rotateHost(layout, host, new LabHost(hostFolder).deliver);
