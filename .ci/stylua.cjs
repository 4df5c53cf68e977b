// usage: node .ci/stylua.cjs [--check] FILE…. StyLua with the settings of stylua.toml, from npm's package: it carries the
// formatter as wasm, so nothing is downloaded but the package. ./dev format and ./dev lint install it and call this.
"use strict";

const fs = require("fs");
const path = require("path");

const root = path.dirname(__dirname);
const stylua = require(path.join(root, "build/stylua/node_modules/@johnnymorganz/stylua"));

// What stylua.toml may say: the name of the key, and what its value becomes.
const KEYS = {
  column_width: Number,
  indent_width: Number,
  indent_type: (value) => stylua.IndentType[value],
  quote_style: (value) => stylua.QuoteStyle[value],
  call_parentheses: (value) => stylua.CallParenType[value],
  collapse_simple_statement: (value) => stylua.CollapseSimpleStatement[value],
  block_newline_gaps: (value) => stylua.BlockNewlineGaps[value],
  space_after_function_names: (value) => stylua.SpaceAfterFunctionNames[value],
  line_endings: (value) => stylua.LineEndings[value],
  syntax: (value) => stylua.LuaVersion[value],
};

function settings() {
  const config = stylua.Config.new();

  for (const line of fs.readFileSync(path.join(root, "stylua.toml"), "utf8").split("\n")) {
    const found = line.match(/^(\w+) = "?([^"#]*?)"?\s*(#.*)?$/);

    if (found) {
      const value = KEYS[found[1]] && KEYS[found[1]](found[2]);
      if (value === undefined) throw new Error(`stylua.toml: ${line}: not known here`);
      config[found[1]] = value;
    }
  }
  return config;
}

const args = process.argv.slice(2);
const onlyCheck = args[0] === "--check";
let bad = 0;

for (const file of onlyCheck ? args.slice(1) : args) {
  const text = fs.readFileSync(file, "utf8");

  try {
    const formatted = stylua.formatCode(text, settings(), undefined, stylua.OutputVerification.None);

    if (formatted === text) continue;
    if (onlyCheck) {
      console.log(`${file}: run ./dev format on it`);
      bad++;
    } else {
      fs.writeFileSync(file, formatted);
    }
  } catch (error) {
    console.log(`${file}: ${error.message || error}`);
    bad++;
  }
}
process.exit(bad ? 1 : 0);
