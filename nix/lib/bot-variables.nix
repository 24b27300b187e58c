# The secrets of a bot that runs OpenClaw: every ${NAME} in its openclaw.json. By the same rules as core/project/bots/references.ts and
# core/project/secrets/bot-variables.ts; test/nix/bots/variables.test.ts compares the two.
let
  text = import ./text.nix;
  plan = (builtins.fromJSON (builtins.readFile ../../core/project/secrets/plan.json)).botVariables;
  sorted = names: builtins.sort builtins.lessThan (text.unique names);
in
rec {
  inherit (plan) reserved;

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

  # { VARIABLE = "secret"; } of a bot's openclaw.json.
  ofBot =
    bot: raw:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = secretOf bot name;
      }) (plan.always ++ referencesIn raw)
    );
}
