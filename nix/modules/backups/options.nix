# The options of backups. The stack file sets them (clawdlets:backups), so that the operator's side knows them too.
{ lib, backups }:
let
  option =
    type: default: example: description:
    lib.mkOption {
      inherit
        type
        default
        example
        description
        ;
    };
  inherit (lib) types;
  count = default: what: option types.int default 14 "How many ${what} backups are kept. 0: none.";
in
{
  repository =
    option (types.nullOr types.str) null "s3:https://nbg1.your-objectstorage.com/backups/web-1"
      ''
        restic's repository, one for each host: ${backups.allowed}. null: no backups. Logins are secrets. Set it in the stack file
        (clawdlets:backups), from which `clawdlets init` learns which secrets are needed.
      '';

  schedule = option types.str "*-*-* 03:00:00" "hourly" "When bots are backed up, as systemd's OnCalendar.";

  randomDelay =
    option types.str "1h" "10min"
      "How much later than that at most, as systemd's RandomizedDelaySec.";

  checkSchedule =
    option types.str "Sun *-*-* 05:00:00" "monthly"
      "When the repository is checked, and data that no backup needs any more is removed, as systemd's OnCalendar.";

  checkSubset =
    option types.str "5%" "100%"
      "How much of the repository's data each check reads, as restic's --read-data-subset.";

  keep = {
    daily = count 7 "daily";
    weekly = count 4 "weekly";
    monthly = count 6 "monthly";
  };

  exclude =
    option (types.listOf types.str) [ ] [ "/srv/clawdbot/*/.cache" ]
      "Patterns of files that are left out, as restic's --exclude-file.";

  skip =
    option (types.listOf types.str) [ ] [ "rex" ]
      "Bots that are not backed up. Also bots.<name>.backup.";

  addresses = option (types.listOf types.str) [ ] [ "10.0.0.5" ] ''
    Addresses or networks at which the repository is, if they are not public. Empty: any public address that its name leads to.
  '';

  hostKey =
    option (types.nullOr types.str) null "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…"
      "The ssh host key of an sftp repository. Required there: no key is trusted on first use.";

  region = option (types.nullOr types.str) null "nbg1" "The region of an S3 repository. null: restic finds it.";

  hoursPerRun =
    option types.int 6 12
      "How long a run of restic may take, in hours. After that it is ended, and the backup counts as failed.";
}
