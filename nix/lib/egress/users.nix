# The numbers that users really have, for the rules. NixOS keeps the number of a user that exists, whatever is declared.
let
  text = import ../text.nix;
in
rec {
  file = "${folder}/*.nft"; # With a wildcard nft takes it that there is none, as in the sandbox in which NixOS checks the rules.
  folder = "/run/clawdlets-egress-users";

  variable = uid: "uid_${toString uid}";

  # { "<uid>" = name; } -> nix/host/egress-users.sh as a script for the activation of a system: after the users exist, and before
  # anything is started or reloaded.
  script =
    users:
    text.lines (
      [ "clawdlets_egress_users() (" ]
      ++ [ (builtins.readFile ../../host/egress-users.sh) ]
      ++ [ ")" ]
      ++ [
        "clawdlets_egress_users ${
          builtins.concatStringsSep " " (map (uid: "${users.${uid}}:${uid}") (builtins.attrNames users))
        }"
      ]
    );
}
