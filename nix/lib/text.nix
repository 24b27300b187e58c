# Helpers for text and numbers that `builtins` lacks: without nixpkgs, nix-instantiate has no lib.
rec {
  mod = a: b: a - (a / b) * b;

  # TOML reads hexadecimal; Nix itself does not.
  fromHex = digits: (builtins.fromTOML "value = 0x${digits}").value;

  lines = builtins.concatStringsSep "\n";
  unique = builtins.foldl' (
    seen: next: if builtins.elem next seen then seen else seen ++ [ next ]
  ) [ ];
  hasPrefix = prefix: whole: builtins.substring 0 (builtins.stringLength prefix) whole == prefix;
  quoted = value: ''"${toString value}"'';
}
