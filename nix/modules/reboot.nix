# A reboot into a new kernel, at a time that is set, for hosts that are rebuilt without one (`operator.activation.rebootOnKernelChange`).
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  names = import ../lib/names.nix;
  inherit (cfg) rebootWindow;
  isTime = builtins.match "([01][0-9]|2[0-3]):[0-5][0-9]" (toString rebootWindow.start) != null;
in
{
  options.clawdlets.rebootWindow = {
    start = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "03:30";
      description = "When the host may reboot each day if another kernel than the running one is current: HH:MM in its time zone. null: never.";
    };

    minutes = lib.mkOption {
      type = lib.types.int;
      default = 60;
      example = 120;
      description = "How long the reboot window is open, 1 to 720. Hosts reboot at a moment of their own within its first half.";
    };
  };

  config = {
    assertions = [
      {
        assertion = rebootWindow.start == null || isTime;
        message = ''clawdlets.rebootWindow.start is "${toString rebootWindow.start}"; allowed: HH:MM from 00:00 to 23:59, e.g. "03:30", or null.'';
      }
      {
        assertion = rebootWindow.minutes >= 1 && rebootWindow.minutes <= 720;
        message = "clawdlets.rebootWindow.minutes is ${toString rebootWindow.minutes}; allowed: 1 to 720.";
      }
    ];

    systemd = lib.mkIf (rebootWindow.start != null && isTime) {
      services.clawdlets-reboot = {
        description = "Reboot into a new kernel";
        path = [
          pkgs.coreutils
          pkgs.gnugrep
          pkgs.systemd
        ];
        environment = {
          START = rebootWindow.start;
          MINUTES = toString rebootWindow.minutes;
          STATE = "${names.activationDir}/state.json";
          BOOTED = "/run/booted-system";
          CURRENT = "/run/current-system";
          PROFILE = "/nix/var/nix/profiles/system";
        };
        serviceConfig.Type = "oneshot";
        script = builtins.readFile ../host/reboot.sh;
      };
      timers.clawdlets-reboot = {
        description = "Open the reboot window";
        wantedBy = [ "timers.target" ];
        timerConfig = {
          OnCalendar = "*-*-* ${rebootWindow.start}:00";
          RandomizedDelaySec = "${toString (rebootWindow.minutes * 30)}s";
          # Not what was missed while the host was off.
          Persistent = false;
        };
      };
    };
  };
}
