# The secrets of a bot that runs OpenClaw: every ${NAME} in its openclaw.json. By the same rules as core/project/bots/references.ts and
# core/project/secrets/bot-variables.ts; test/nix/bots/variables.test.ts compares the two.
let
  text = import ./text.nix;
  plan = (builtins.fromJSON (builtins.readFile ../../core/project/secrets/plan.json)).botVariables;
  sorted = names: builtins.sort builtins.lessThan (text.unique names);
in
rec {
  inherit (plan) generated reserved;

  # Of raw text, since Nix cannot parse JSON5: comments count. "$${NAME}" is an escape.
  referencesIn =
    raw:
    let
      nameOf =
        part:
        if builtins.isList part && builtins.head part != "$" then [ (builtins.elemAt part 1) ] else [ ];
    in
    sorted (builtins.concatMap nameOf (builtins.split "([$]?)[$][{]([A-Z_][A-Z0-9_]*)[}]" raw));

  secretOf =
    bot: variable:
    if plan.secrets ? ${variable} then
      builtins.replaceStrings [ "{bot}" ] [ bot ] plan.secrets.${variable}
    else
      "${bot}_${text.toLower variable}";

  # { VARIABLE = "secret"; } of a bot's openclaw.json, without those that its secrets.json names.
  ofBot =
    bot: raw:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = secretOf bot name;
      }) (plan.always ++ referencesIn raw)
    );

  # The same of a bot's files: openclaw = { config = path; secrets = { VARIABLE = "secret"; }; }.
  ofFolder =
    bot: { config, secrets, ... }: ofBot bot (builtins.readFile config) // secrets;

  # Secrets that two variables would have by accident. A secret is shared only if each of them names it in its secrets.json.
  # bots: { <bot> = openclaw; } · others: what the host needs apart from bots with a folder.
  takenIn =
    { bots, others }:
    let
      all = builtins.attrValues (
        builtins.mapAttrs (bot: openclaw: {
          named = builtins.attrValues openclaw.secrets;
          own = builtins.attrValues (
            builtins.removeAttrs (ofFolder bot openclaw) (builtins.attrNames openclaw.secrets)
          );
        }) bots
      );
      named = text.unique (builtins.concatMap (each: each.named) all);
      used = others ++ builtins.concatMap (each: each.own) all ++ named;
      uses = secret: builtins.length (builtins.filter (each: each == secret) used);
    in
    builtins.filter (secret: uses secret > 1) (text.unique used);
}
