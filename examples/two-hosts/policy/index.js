const { PolicyPack, validateResourceOfType } = require("@pulumi/policy");
const { policiesOf, rules, stackFacts } = require("@clawdlets/infra/policy");
const { Server } = require("@pulumi/hcloud");

new PolicyPack("acme", {
  policies: [
    // Network and placement group belong to no single host, so they do not say whose they are.
    ...policiesOf(
      stackFacts(process.env),
      rules.filter(({ name }) => name !== "labels-missing"),
    ),
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
