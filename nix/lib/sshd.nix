# How sshd is set: keys only, `admin` only, and algorithms that every OpenSSH since 8.5 (2021) has.
let
  names = import ./names.nix;
  text = import ./text.nix;

  valueOf =
    separator: value:
    if builtins.isBool value then
      (if value then "yes" else "no")
    else if builtins.isList value then
      builtins.concatStringsSep separator value
    else
      toString value;

  # These lists are separated by commas in sshd_config, all others by spaces (sshd_config(5)).
  isCommaList =
    key:
    builtins.elem key [
      "Ciphers"
      "KexAlgorithms"
      "Macs"
      "HostKeyAlgorithms"
      "PubkeyAcceptedAlgorithms"
    ];
in
rec {
  # For NixOS' services.openssh.settings.
  settings = {
    AllowUsers = [ names.admin ];
    PermitRootLogin = "no";
    PasswordAuthentication = false;
    KbdInteractiveAuthentication = false;
    AuthenticationMethods = "publickey";
    MaxAuthTries = 3;
    LoginGraceTime = 30;
    # To a bot's gateway, which listens on loopback only: ssh -L. Nothing can be made to listen here for others.
    AllowTcpForwarding = "local";
    AllowStreamLocalForwarding = false;
    AllowAgentForwarding = false;
    PermitTunnel = false;
    GatewayPorts = "no";
    X11Forwarding = false;
    PermitUserEnvironment = false;
    UseDns = false;
    ClientAliveInterval = 60;
    ClientAliveCountMax = 3;
    # Whose key it was stands in the journal.
    LogLevel = "VERBOSE";

    KexAlgorithms = [
      "sntrup761x25519-sha512@openssh.com"
      "curve25519-sha256"
      "curve25519-sha256@libssh.org"
    ];
    Ciphers = [
      "chacha20-poly1305@openssh.com"
      "aes256-gcm@openssh.com"
      "aes128-gcm@openssh.com"
    ];
    Macs = [
      "hmac-sha2-512-etm@openssh.com"
      "hmac-sha2-256-etm@openssh.com"
    ];
  };

  # The one key that was made and pinned before the server existed. NixOS makes keys that are missing, so no other is named.
  hostKeys = [
    {
      type = "ed25519";
      path = names.hostKeyFile;
    }
  ];

  # Root's file, not one in a home folder that a session could write to.
  authorizedKeysFile = "/etc/ssh/authorized_keys.d/%u";

  # What NixOS makes of all this, as far as it decides who gets in, for a real sshd where there is no NixOS.
  configFile =
    {
      port ? 22,
      hostKey ? names.hostKeyFile,
      authorizedKeys ? authorizedKeysFile,
    }:
    text.lines (
      [
        "Port ${toString port}"
        "HostKey ${hostKey}"
        "AuthorizedKeysFile ${authorizedKeys}"
        "UsePAM yes"
      ]
      ++ map (key: "${key} ${valueOf (if isCommaList key then "," else " ") settings.${key}}") (
        builtins.attrNames settings
      )
      ++ [ "" ]
    );
}
