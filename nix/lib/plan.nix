# The secrets that a host needs, from the list that the operator's side also reads (core/project/secrets/plan.json).
let
  text = import ./text.nix;
  planned = (builtins.fromJSON (builtins.readFile ../../core/project/secrets/plan.json)).secrets;
in
# tailnet: "tailscale" or "none" · backups: the kind of their repository, or null · bots: names · botSecrets: those of bots with a folder, { <bot> = [ names ]; } · secrets: further
# names. Returns names, each once, in the plan's order.
{
  tailnet,
  backups ? null,
  bots,
  botSecrets ? { },
  secrets ? [ ],
}:
let
  namesOf =
    { name, needed, ... }:
    {
      "always" = [ name ];
      "with tailnet tailscale" = if tailnet == "tailscale" then [ name ] else [ ];
      "with backups" = if backups == null then [ ] else [ name ];
      "with backups to s3" = if backups == "s3" then [ name ] else [ ];
      "with backups to rest" = if backups == "rest" then [ name ] else [ ];
      "with backups to sftp" = if backups == "sftp" then [ name ] else [ ];
      "for each bot without a folder" = map (bot: builtins.replaceStrings [ "{bot}" ] [ bot ] name) (
        builtins.filter (bot: !(botSecrets ? ${bot})) bots
      );
    }
    .${needed}
      or (throw ''core/project/secrets/plan.json: "${name}" is needed "${needed}", which nix/lib/plan.nix does not know. Add it to both sides.'');
in
text.unique (
  builtins.concatLists (map namesOf planned)
  ++ builtins.concatMap (bot: botSecrets.${bot} or [ ]) bots
  ++ secrets
)
