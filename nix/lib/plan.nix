# The secrets that a host needs, from the list that the operator's side also reads (core/project/secrets/plan.json).
let
  text = import ./text.nix;
  planned = (builtins.fromJSON (builtins.readFile ../../core/project/secrets/plan.json)).secrets;
in
# tailnet: "tailscale" or "none" · bots: names · secrets: further names. Returns names, each once, in the plan's order.
{
  tailnet,
  bots,
  secrets ? [ ],
}:
let
  namesOf =
    { name, needed, ... }:
    {
      "always" = [ name ];
      "with tailnet tailscale" = if tailnet == "tailscale" then [ name ] else [ ];
      "for each bot" = map (bot: builtins.replaceStrings [ "{bot}" ] [ bot ] name) bots;
    }
    .${needed}
      or (throw ''core/project/secrets/plan.json: "${name}" is needed "${needed}", which nix/lib/plan.nix does not know. Add it to both sides.'');
in
text.unique (builtins.concatLists (map namesOf planned) ++ secrets)
