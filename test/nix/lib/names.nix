let
  names = import ../../../nix/lib/names.nix;
in
{
  "units, users and folders are called as upstream's" = {
    expr = [
      (names.botUnit "maren")
      (names.botUser "maren")
      (names.botStateDir "maren")
    ];
    expected = [
      "clawdbot-maren"
      "bot-maren"
      "/srv/clawdbot/maren"
    ];
  };
  # Kept for ever: the files in the state folder of a living host belong to this number.
  "a user's number depends on the name alone" = {
    expr = map names.botUid [
      "maren"
      "sonja"
      "a"
    ];
    expected = [
      45584
      47969
      41610
    ];
  };
  "numbers are where neither NixOS nor systemd gives out any" = {
    expr = builtins.all (
      index:
      let
        uid = names.botUid "bot${toString index}";
      in
      uid > names.proxyUid && uid > 30032 && uid <= 60000
    ) (builtins.genList (index: index) 500);
    expected = true;
  };
  "a bot's name fits into a user name of 31 characters" = {
    expr = map names.isBotName [
      "a"
      "abcdefghijklmnopqrstuvwxyza"
      "abcdefghijklmnopqrstuvwxyzab"
      "Maren"
      "1st"
      "a b"
      "a*"
      ""
      "sops"
      "a_unencrypted"
    ];
    expected = [
      true
      true
      false
      false
      false
      false
      false
      false
      false
      false
    ];
  };
}
