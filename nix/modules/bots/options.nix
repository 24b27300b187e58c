# The options of one bot. Options that upstream's services.clawdbotFleet.botProfiles had keep their names.
{
  lib,
  names,
  pkgs,
}:
{ name, config, ... }:
let
  openclaw = import ../../lib/openclaw.nix;
  json5 = import ../../lib/json5.nix;
  text = import ../../lib/text.nix;

  # What openclaw.json allows and the package has beside it, by nix/hosts.nix.
  pluginsBeside =
    let
      beside = config.package.openclawPlugins or { };
      file = config.openclaw.config;
      allowed = (json5.parse (toString file) (builtins.readFile file)).plugins.allow or [ ];
    in
    if beside == { } then
      [ ]
    else
      map (id: beside.${id}) (
        text.unique (builtins.filter (id: builtins.isString id && beside ? ${id}) allowed)
      );
in
{
  options = {
    openclaw = lib.mkOption {
      type = lib.types.nullOr (
        lib.types.submodule {
          options = {
            config = lib.mkOption {
              type = lib.types.path;
              example = lib.literalExpression "./bots/maren/openclaw.json";
              description = "OpenClaw's configuration. Copied into the store; secrets are referred to as \${NAME}.";
            };
            workspace = lib.mkOption {
              type = lib.types.nullOr lib.types.path;
              default = null;
              example = lib.literalExpression "./bots/maren/workspace";
              description = "Folder whose *.md files are copied into the bot's workspace, if that is empty. null: none.";
            };
            check = lib.mkOption {
              type = lib.types.bool;
              default = true;
              example = false;
              description = "Builds the host's system only if the OpenClaw of `package` finds the configuration valid. Not for another `command`.";
            };
            plugins = lib.mkOption {
              type = lib.types.listOf lib.types.package;
              default = pluginsBeside;
              defaultText = lib.literalExpression "those of nix-openclaw that openclaw.json names in plugins.allow";
              example = lib.literalExpression "[ pkgs.hello ]";
              description = "Plugins that `package` does not have in it. The build writes their folders to `plugins.load.paths`, in place of what openclaw.json has there.";
            };
            ownSchema = lib.mkOption {
              type = lib.types.bool;
              default = false;
              internal = true;
              description = "Whether the repository has bots/openclaw.schema.json. Set automatically.";
            };
            secrets = lib.mkOption {
              type = lib.types.attrsOf lib.types.str;
              default = { };
              example.ZAI_API_KEY = "z_ai_api_key";
              description = "Secrets by variable, where they are shared with other bots or have names of their own: the content of secrets.json.";
            };
          };
        }
      );
      default = null;
      example = lib.literalExpression "{ config = ./bots/maren/openclaw.json; workspace = ./bots/maren/workspace; }";
      description = ''
        Runs OpenClaw with this configuration. Set automatically if the repository has bots/<name>/openclaw.json. Every ''${NAME} in the
        file is a secret, and in the bot's environment. null: the bot runs what `command` says.
      '';
    };

    command = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = if config.openclaw == null then null else openclaw.command config.port;
      defaultText = lib.literalExpression "OpenClaw's gateway with openclaw, otherwise null";
      example = "clawdbot gateway";
      description = ''
        The command to run: a program of `package` or an absolute path, with arguments, in the syntax of systemd's ExecStart.
        null: nothing runs; the bot only has its user, folder and secrets.
      '';
    };

    package = lib.mkOption {
      type = lib.types.nullOr lib.types.package;
      default = null;
      example = lib.literalExpression "pkgs.hello";
      description = "The package that contains the program in `command`.";
    };

    path = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [
        pkgs.bash
        pkgs.git
        pkgs.nodejs
        pkgs.ripgrep
      ];
      defaultText = lib.literalExpression "[ pkgs.bash pkgs.git pkgs.nodejs pkgs.ripgrep ]";
      example = lib.literalExpression "[ pkgs.bash pkgs.git pkgs.python3 ]";
      description = "Packages whose programs the bot finds on its PATH, besides the few that NixOS gives to every service.";
    };

    port = lib.mkOption {
      type = lib.types.port;
      default = names.botPort config.uid;
      defaultText = lib.literalExpression "a number from 20000 to 31999, made from the uid";
      example = 18789;
      description = ''
        The port of the bot's own server on loopback, for its command to use. The bot may connect to it in every egress mode;
        other bots may not in proxy-allowlist.
      '';
    };

    environment = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example.LOG_LEVEL = "info";
      description = "Environment variables. Not for secrets: they are in the Nix store, which everyone on the host can read.";
    };

    envSecrets = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example.ZAI_API_KEY = "z_ai_api_key";
      description = ''
        Environment variables whose values are secrets, by the secrets' names. The values must be single lines. Child processes inherit
        them, unlike `secrets`, which are files.
      '';
    };

    secrets = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = lib.optional (config.openclaw == null) "discord_token_${name}";
      defaultText = lib.literalExpression ''[ "discord_token_<name>" ], and with openclaw [ ]'';
      example = [ "openai_api_key" ];
      description = "Secrets that the bot reads as files in $CREDENTIALS_DIRECTORY. No other user except root can read them.";
    };

    uid = lib.mkOption {
      type = lib.types.int;
      default = names.botUid name;
      defaultText = lib.literalExpression "a number from 31000 to 59999, derived from the name";
      example = 30900;
      description = "uid and gid of a new bot. NixOS never renumbers a user that exists: a bot of a host that comes from upstream keeps its number, and its files. The egress rules follow the number that it has.";
    };

    backup = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = "Whether the bot's folder is backed up, where clawdlets.backups.repository is set.";
    };

    nodeExecMem = lib.mkOption {
      type = lib.types.enum [
        "jit"
        "jitless"
      ];
      default = "jit";
      example = "jitless";
      description = ''
        Whether memory may be both written and executed, as JIT compilers need. `jitless` forbids it and makes Node run without its
        JIT compiler, which is slower. Node then has no WebAssembly, and so no fetch().
      '';
    };

    resources = {
      memoryMax = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = "4G";
        example = "512M";
        description = "Memory limit (systemd's MemoryMax); above it, the bot is killed and restarted. null: no limit.";
      };

      cpuQuota = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = "200%";
        example = "50%";
        description = "CPU time limit (CPUQuota); 100% is one core. null: no limit.";
      };

      tasksMax = lib.mkOption {
        type = lib.types.nullOr lib.types.int;
        default = 4096;
        example = 256;
        description = "Maximum number of processes and threads (TasksMax). null: no limit.";
      };

      ioWeight = lib.mkOption {
        type = lib.types.nullOr lib.types.int;
        default = null;
        example = 50;
        description = "Disk I/O weight, 1 to 10000 (IOWeight); other units have 100. null: as other units.";
      };
    };
  };
}
