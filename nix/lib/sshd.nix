# sshd settings: keys only, `admin` only, and algorithms that every OpenSSH since 8.5 (2021) supports.
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
    # Allows ssh -L to a bot's gateway on loopback. Remote forwarding is off.
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
    # Logs the fingerprint of the key.
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

  # Only the key that was created and pinned before the server existed. NixOS generates missing keys, so no other is listed.
  hostKeys = [
    {
      type = "ed25519";
      path = names.hostKeyFile;
    }
  ];

  # Owned by root, rather than in a home folder that a session can write to.
  authorizedKeysFile = "/etc/ssh/authorized_keys.d/%u";

  # The part of NixOS' sshd_config that decides who gets in, for testing with a real sshd without NixOS.
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
