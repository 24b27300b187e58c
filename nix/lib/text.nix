# Small functions on text and numbers that `builtins` does not have: nixpkgs' lib is not in reach of nix-instantiate alone.
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
