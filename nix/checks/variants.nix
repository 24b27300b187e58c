# Settings that together cover each option value of the modules once.
{ pkgs }:
[
  { clawdlets.tailnet.mode = "tailscale"; }
  {
    clawdlets = {
      publicSsh.enable = true;
      ipv6Address = "2001:db8:1:2::1/64";
      swap.sizeMiB = 0;
      bots.maren = { };
    };
  }
  {
    clawdlets = {
      tailnet = {
        mode = "tailscale";
        tailscale = {
          ssh = true;
          openFirewall = false;
          loginServer = "https://headscale.example.com";
          tags = [ "tag:bot-host" ];
        };
      };
      secrets.names = [ "openai" ];
      backups.repository = "s3:https://nbg1.your-objectstorage.com/backups/web-1";
      operator.rebuild = {
        enable = true;
        flakeBase = "github:you/hosts";
        systemKeys = [ "clawdlets-1a2b3c4d:4rFJp0w0jDzKEzKaPFnyX9g1yzB0pr0ZCPgLqTpZxLc=" ];
        releaseFloor = 1764230400;
      };
      egress = {
        mode = "proxy-allowlist";
        proxy.allowedDomains = [
          "api.example.com"
          ".example.org"
        ];
      };
      bots = {
        maren = {
          package = pkgs.hello;
          command = "hello";
          envSecrets.KEY = "openai";
          nodeExecMem = "jitless";
        };
        sonja.command = "${pkgs.coreutils}/bin/sleep infinity";
      };
    };
  }
]
