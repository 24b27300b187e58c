# Stands for nixpkgs' packages: those that the modules use, and no others. What a package would be built from can be read back.
let
  package = name: {
    type = "derivation";
    inherit name;
    outPath = "/nix/store/00000000000000000000000000000000-${name}";
    __toString = self: self.outPath;
  };
  names = [
    "age"
    "bash"
    "coreutils"
    "curl"
    "diffutils"
    "dnsmasq"
    "findutils"
    "git"
    "gnugrep"
    "gnused"
    "gnutar"
    "hello"
    "iproute2"
    "jq"
    "nftables"
    "nodejs"
    "openssh"
    "openssl"
    "python3"
    "ripgrep"
    "restic"
    "socat"
    "sops"
    "squid"
    "systemd"
    "tailscale"
    "tinyproxy"
    "util-linux"
  ];
  written =
    name: text:
    package name
    // {
      inherit text;
    };
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = package name;
  }) names
)
// {
  stdenv.hostPlatform = {
    system = "x86_64-linux";
    isAarch64 = false;
  };
  runCommand =
    name: env: script:
    package name // env // { inherit script; };
  writeShellScript = written;
  writeShellScriptBin = written;
  writeText = written;
}
