# Helpers for text and numbers that `builtins` lacks: without nixpkgs, nix-instantiate has no lib.
rec {
  mod = a: b: a - (a / b) * b;

  # TOML reads hexadecimal; Nix itself does not.
  fromHex = digits: (builtins.fromTOML "value = 0x${digits}").value;

  lines = builtins.concatStringsSep "\n";
  unique = builtins.foldl' (
    seen: next: if builtins.elem next seen then seen else seen ++ [ next ]
  ) [ ];
  # Of ASCII letters.
  toLower =
    let
      characters = builtins.genList (n: n) 26;
      of = alphabet: map (n: builtins.substring n 1 alphabet) characters;
    in
    builtins.replaceStrings (of "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (of "abcdefghijklmnopqrstuvwxyz");
  hasPrefix = prefix: whole: builtins.substring 0 (builtins.stringLength prefix) whole == prefix;
  hasSuffix =
    suffix: whole:
    let
      rest = builtins.stringLength whole - builtins.stringLength suffix;
    in
    rest >= 0 && builtins.substring rest (-1) whole == suffix;
  quoted = value: ''"${toString value}"'';
}
