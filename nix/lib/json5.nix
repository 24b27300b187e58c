# JSON5 text -> value, as core/project/bots/config.ts reads openclaw.json. Needs only `builtins`, whose fromJSON knows neither comments
# nor single quotes nor trailing commas.
#
# Three steps: cut the text into strings and the code between them; cut the code into words and punctuation; write both as JSON.
# Infinity and NaN, which JSON lacks, become null. Keys with escapes outside of quotes are refused. What is not JSON5 is not always
# refused, since TypeScript and OpenClaw do that. test/nix/bots/json5.test.ts compares it with the library that TypeScript uses.
let
  text = import ./text.nix;
  character = code: builtins.fromJSON ''"\u${code}"'';
  lineSeparators = map character [
    "2028"
    "2029"
  ];
  # Besides those that POSIX knows: no-break space and byte order mark.
  spaces =
    lineSeparators
    ++ map character [
      "00a0"
      "feff"
    ];
  lineEnds = [
    "\r\n"
    "\n"
    "\r"
  ];

  # Step 1. Where something may begin or end.
  mark = "([\"']|\\\\|//|/[*]|[*]/|${builtins.concatStringsSep "|" (lineEnds ++ lineSeparators)})";
  opening = {
    "\"" = "\"";
    "'" = "'";
    "//" = "line comment";
    "/*" = "comment";
  };
  isQuote = mode: mode == "\"" || mode == "'";

  # As the inside of a JSON string, which may not have a raw tab, for one.
  raw =
    piece:
    let
      json = builtins.toJSON piece;
    in
    builtins.substring 1 (builtins.stringLength json - 2) json;

  # What follows a backslash. "\q" is "q".
  escapes =
    builtins.listToAttrs (
      map
        (name: {
          inherit name;
          value = "\\${name}";
        })
        [
          "\""
          "\\"
          "b"
          "f"
          "n"
          "r"
          "t"
          "u"
        ]
    )
    // {
      "v" = "\\u000b";
      "0" = "\\u0000";
      "x" = "\\u00"; # Its two digits follow.
    };
  escaped =
    piece:
    let
      first = builtins.substring 0 1 piece;
    in
    if builtins.elem piece (lineEnds ++ lineSeparators) then
      ""
    else if escapes ? ${first} then
      escapes.${first} + raw (builtins.substring 1 (-1) piece)
    else
      raw piece;

  # mode: "code", a quote or a kind of comment · open: the string so far · isEscaped: whether a backslash came before · parts
  start = {
    mode = "code";
    open = "";
    isEscaped = false;
    parts = [ ];
  };
  step =
    state: cut:
    let
      isMark = builtins.isList cut;
      piece = if isMark then builtins.head cut else cut;
      add = part: { parts = state.parts ++ [ part ]; };
      next =
        if piece == "" then
          { }
        else if state.mode == "code" then
          if isMark && opening ? ${piece} then
            {
              mode = opening.${piece};
              open = "";
            }
          else
            add { code = piece; }
        else if isQuote state.mode then
          if state.isEscaped then
            {
              open = state.open + escaped piece;
              isEscaped = false;
            }
          else if piece == "\\" then
            { isEscaped = true; }
          else if piece == state.mode then
            add { string = ''"${state.open}"''; } // { mode = "code"; }
          else if builtins.elem piece lineEnds then
            throw "a string ends with its line"
          else
            { open = state.open + raw piece; }
        else if
          if state.mode == "comment" then
            piece == "*/"
          else
            isMark && builtins.elem piece (lineEnds ++ lineSeparators)
        then
          add { code = " "; } // { mode = "code"; }
        else
          { };
      after = state // next;
    in
    # Not lazily: each state would hold the one before, as deep as the file is long.
    builtins.seq after.open (builtins.seq after.parts after);
  partsOf = whole: (builtins.foldl' step start (builtins.split mark whole)).parts;

  # Step 2: { string }, { word } or { mark }.
  tokensOf =
    part:
    if part ? string then
      [ part ]
    else
      builtins.concatMap (
        cut:
        if builtins.isString cut then
          if cut == "" then [ ] else [ { word = cut; } ]
        else if builtins.head cut == null then
          [ ]
        else
          [ { mark = builtins.head cut; } ]
      ) (builtins.split "([][{}:,])|[[:space:]]+" (withoutSpaces part.code));
  withoutSpaces = builtins.replaceStrings spaces (map (_: " ") spaces);

  # Step 3.
  number =
    word:
    let
      parts = builtins.match "([+-]?)(0[xX]([0-9a-fA-F]+)|([0-9]*)([.]([0-9]*))?([eE][+-]?[0-9]+)?)" word;
      at = builtins.elemAt parts;
      orEmpty = value: if value == null then "" else value;
      orZero = value: if value == null || value == "" then "0" else value;
      magnitude =
        if at 2 != null then
          toString (text.fromHex (at 2))
        else
          orZero (at 3) + (if at 4 == null then "" else ".${orZero (at 5)}") + orEmpty (at 6);
    in
    (if at 0 == "-" then "-" else "") + magnitude;
  isNumber = word: builtins.match "[+-]?([.]?[0-9]).*" word != null;
  value =
    word:
    if builtins.match "[+-]?(Infinity|NaN)" word != null then
      "null"
    else if isNumber word then
      number word
    else
      word;

  jsonOf =
    tokens:
    let
      count = builtins.length tokens;
      markAt =
        index: if index < 0 || index >= count then "" else (builtins.elemAt tokens index).mark or "";
      one =
        index:
        let
          token = builtins.elemAt tokens index;
          before = markAt (index - 1);
          after = markAt (index + 1);
          isTrailing =
            (after == "}" || after == "]")
            && !(builtins.elem before [
              "{"
              "["
              ","
              ":"
            ]);
        in
        if token ? string then
          token.string
        else if token ? mark then
          if token.mark == "," && isTrailing then "" else token.mark
        else if after == ":" && (before == "{" || before == ",") then
          builtins.toJSON token.word
        else
          value token.word;
    in
    builtins.concatStringsSep " " (builtins.genList one count);
in
# file: its name, for Nix's message.
{
  parse =
    file: whole:
    builtins.addErrorContext "while reading ${file} as JSON5" (
      builtins.fromJSON (jsonOf (builtins.concatMap tokensOf (partsOf whole)))
    );
}
