const { PolicyPack, validateResourceOfType } = require("@pulumi/policy");
const { policiesOf, stackFacts } = require("@clawdlets/infra/policy");
const { Server } = require("@pulumi/hcloud");

new PolicyPack("acme", {
  policies: [
    ...policiesOf(stackFacts(process.env)),
    {
      name: "acme-location",
      description: "Servers stay in Germany.",
      enforcementLevel: "mandatory",
      validateResource: validateResourceOfType(Server, ({ location }, _, report) => {
        if (!["nbg1", "fsn1"].includes(location)) report(`location is ${location}; allowed: nbg1, fsn1`);
      }),
    },
  ],
});
