# The options of one bot. Where upstream's services.clawdbotFleet.botProfiles had one, it is called the same.
{ lib, names }:
{ name, ... }:
{
  options = {
    command = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "clawdbot gateway";
      description = ''
        What runs: a program of `package` with its arguments, or an absolute path with them, as systemd's ExecStart takes it.
        null: nothing runs, and the bot has its user, folder and secrets only.
      '';
    };

    package = lib.mkOption {
      type = lib.types.nullOr lib.types.package;
      default = null;
      example = lib.literalExpression "pkgs.hello";
      description = "The package that `command` is a program of.";
    };

    environment = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example.LOG_LEVEL = "info";
      description = "Environment variables. Nothing secret: they stand in the Nix store, which everybody on the host can read.";
    };

    envSecrets = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example.ZAI_API_KEY = "z_ai_api_key";
      description = ''
        Environment variables whose values are secrets, by the secrets' names. One line each. What the bot starts inherits them;
        `secrets` are files, which it does not.
      '';
    };

    secrets = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ "discord_token_${name}" ];
      defaultText = lib.literalExpression ''[ "discord_token_<name>" ]'';
      example = [ "openai_api_key" ];
      description = "Secrets that the bot reads from files of their names in $CREDENTIALS_DIRECTORY. Nobody else can read those.";
    };

    uid = lib.mkOption {
      type = lib.types.int;
      default = names.botUid name;
      defaultText = lib.literalExpression "a number from 31000 to 59999, made from the name";
      example = 30900;
      description = "Number of the bot's user and group. Changed on a living host, its files are no longer its own.";
    };

    nodeExecMem = lib.mkOption {
      type = lib.types.enum [
        "jit"
        "jitless"
      ];
      default = "jit";
      example = "jitless";
      description = ''
        Whether memory that was written may be run, which just-in-time compilers need. `jitless` forbids it, and tells Node to
        do without one, which is slower.
      '';
    };

    resources = {
      memoryMax = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = "4G";
        example = "512M";
        description = "Memory at most (systemd's MemoryMax); over it, the bot is killed and started again. null: no limit.";
      };

      cpuQuota = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = "200%";
        example = "50%";
        description = "Processor time at most (CPUQuota), 100% being one core. null: no limit.";
      };

      tasksMax = lib.mkOption {
        type = lib.types.nullOr lib.types.int;
        default = 4096;
        example = 256;
        description = "Processes and threads at most (TasksMax). null: no limit.";
      };

      ioWeight = lib.mkOption {
        type = lib.types.nullOr lib.types.int;
        default = null;
        example = 50;
        description = "Share of the disk, 1 to 10000, against 100 of others (IOWeight). null: as others.";
      };
    };
  };
}
