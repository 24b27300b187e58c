let
  plan = import ../../../nix/lib/plan.nix;
in
{
  "a host without tailnet and bots needs the admin's password" = {
    expr = plan {
      tailnet = "none";
      bots = [ ];
    };
    expected = [ "admin_password_hash" ];
  };
  "a tailnet, bots and further secrets add theirs, each once" = {
    expr = plan {
      tailnet = "tailscale";
      bots = [
        "maren"
        "sonja"
      ];
      secrets = [
        "openai"
        "tailscale_auth_key"
        "openai"
      ];
    };
    expected = [
      "admin_password_hash"
      "tailscale_auth_key"
      "discord_token_maren"
      "discord_token_sonja"
      "openai"
    ];
  };
}
