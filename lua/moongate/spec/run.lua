--- `moongate test`: reads its command line and hands over to busted.
local core = require("moongate.spec.core")
local files = require("moongate.config.files")

local M = {}

local HELP = [[
usage: moongate test [PATH ...] [OPTIONS]

Runs specs (files named *_spec.lua) with busted inside this process, where require("moongate.spec") makes gateways to
try plugins with. Without a PATH: ./plugins and ./spec, or what a .busted file names.
Exit code 0: all passed, 1: not, 2: the command line is wrong.

options:
      --coverage                 show which lines of the plugins ran
  -t, --tags=TAGS                only tests with one of these #tags
      --exclude-tags=TAGS        not those
      --filter=PATTERN           only tests whose name matches the Lua pattern
      --filter-out=PATTERN       not those
  -o, --output=LIBRARY           how it is shown: utfTerminal, plainTerminal, TAP, junit, json, gtest
  -l, --list                     only list the tests
      --shuffle                  in random order; --seed=SEED repeats one
      --no-keep-going            stop at the first failure
  -v, --verbose                  tracebacks, too
  -h, --help                     this text

Every other option of busted works as well.]]

local GOOD, BAD, USAGE = 0, 1, 2

local function complain(text, ...) io.stderr:write("moongate: test: ", text:format(...), "\n") end

local function has_busted()
  local ok, reason = pcall(require, "busted.core")
  if not ok and not tostring(reason):find("module 'busted.core' not found", 1, true) then error(reason, 0) end
  return ok
end

-- What is ours is taken out: { coverage, help }, and what busted gets.
local function split(words)
  local own, rest = {}, {}
  for _, word in ipairs(words) do
    if word == "--coverage" or word == "-c" then
      own.coverage = true
    elseif word == "--help" or word == "-h" then
      own.help = true
    else
      rest[#rest + 1] = word
    end
  end
  return own, rest
end

-- busted's own reading of the words, to know before the run what it would say of them.
local function parse(words)
  local options = require("pl.tablex").copy(require("busted.options"))
  options.output, options.standalone = "plainTerminal", false
  return require("busted.modules.cli")(options):parse(words)
end

local function with_paths(parsed, words)
  local named = parsed.ROOT and not (#parsed.ROOT == 1 and parsed.ROOT[1] == "spec")
  for _, word in ipairs(words) do
    named = named or word == "spec"
  end
  if named then
    for _, path in ipairs(parsed.ROOT) do
      if not files.absolute(path) then
        complain("%s: there is no such file or folder", path)
        return false
      end
    end
    return true
  end
  local found = false
  for _, path in ipairs { "./plugins", "./spec" } do
    if files.is_folder(path) then
      found = true
      words[#words + 1] = path
    end
  end
  if not found then complain("there are no specs here: neither ./plugins nor ./spec is a folder (name a path)") end
  return found
end

--- Runs specs.
---@param ... string  the command line
---@return integer code
function M.run(...)
  local own, words = split { ... }
  if own.help then
    print(HELP)
    return GOOD
  elseif not has_busted() then
    complain("busted is not installed (on Debian: apt-get install lua-busted)")
    return BAD
  end
  local parsed, reason = parse(words)
  if not parsed then
    complain(
      "%s",
      (reason:gsub("^.-error: ", ""):gsub("; re%-run.*$", " ('moongate test --help' lists the options)"))
    )
    return USAGE
  elseif not parsed.version and not with_paths(parsed, words) then
    return USAGE
  end
  table.insert(words, 1, "-e")
  table.insert(words, 2, 'require("moongate.spec.blocks").install()')
  package.path = package.path .. ";./spec/?.lua" -- what specs of a project share
  words[0] = "moongate test"
  _G.arg = words
  core.kept.coverage = own.coverage
  require("moongate.spec") -- before busted, which loads modules anew for every file
  -- Ends through os.exit() when something failed.
  loadstring('require("busted.runner")({ standalone = false })', "=moongate test")()
  return GOOD
end

return M
