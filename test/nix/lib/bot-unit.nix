let
  unit = import ../../../nix/lib/bot-unit.nix;
  bot = {
    name = "maren";
    command = "/bin/maren";
  };
in
{
  "no limit is set where none is wanted" = {
    expr =
      builtins.intersectAttrs
        {
          MemoryMax = null;
          MemorySwapMax = null;
          CPUQuota = null;
          TasksMax = null;
          IOWeight = null;
        }
        (
          unit.serviceConfig (
            bot
            // {
              memoryMax = null;
              cpuQuota = null;
              tasksMax = null;
            }
          )
        );
    expected = { };
  };
  "a secret comes as a credential, from where sops-nix puts it" = {
    expr = (unit.serviceConfig (bot // { secrets = [ "discord_token_maren" ]; })).LoadCredential;
    expected = [ "discord_token_maren:/run/secrets/discord_token_maren" ];
  };
  "memory that is written may be run only where a compiler needs it" = {
    expr =
      map (nodeExecMem: (unit.serviceConfig (bot // { inherit nodeExecMem; })).MemoryDenyWriteExecute)
        [
          "jit"
          "jitless"
        ];
    expected = [
      false
      true
    ];
  };
  "the bot's own environment has the last word" = {
    expr = unit.environment (
      bot
      // {
        nodeExecMem = "jitless";
        environment.NODE_OPTIONS = "--jitless --no-warnings";
      }
    );
    expected = {
      HOME = "/srv/clawdbot/maren";
      NODE_OPTIONS = "--jitless --no-warnings";
    };
  };
}
