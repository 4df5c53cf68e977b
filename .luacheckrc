-- What luacheck may expect. Run it through ./dev lint.
std = "luajit"
max_line_length = 120
max_cyclomatic_complexity = 25
self = false -- methods of the PDK share a signature whether they need self or not
unused_args = false -- hooks have a fixed signature, too

files["spec"] = { std = "+busted", max_line_length = 140 }
files["plugins/*/spec"] = { std = "+busted", max_line_length = 140 }
files["examples/**/spec"] = { std = "+busted" }
files["spec/support/c.lua"] = { globals = { "ffi" } }

exclude_files = { "build", "node_modules", "lua/moongate/types", "spec/kong" } -- types: made, and only for editors; kong: for Kong
