import { expect, it } from "vitest";
import { hostArgs } from "../../../provider/host-args.ts";
import { project, stackFile } from "../../_project.ts";

const host = "clawdbot-fleet-host";

it("names the wrong setting of the stack file, although the program passes a right one", async () => {
  const { root } = project({ stackFile: stackFile.replace("cx43", "CX43") });
  await expect(hostArgs(host, { folder: root, settings: { serverType: "cx43" } }, {})).rejects.toMatchObject({
    problems: [
      {
        code: "invalid-value",
        subject: `stacks/Pulumi.${host}.yaml`,
        setting: "clawdlets:serverType",
        problem: expect.stringContaining("CX43"),
      },
    ],
  });
});

it("names the setting that the program passes with another value", async () => {
  const { root } = project();
  await expect(hostArgs(host, { folder: root, settings: { serverType: "cx53" } }, {})).rejects.toMatchObject({
    problems: [
      {
        code: "settings-disagree",
        setting: "clawdlets:serverType",
        problem: 'is "cx43" here, and "cx53" in the program.',
      },
    ],
  });
});
