--- Runs Lua that stands in the configuration, before the other plugins.
return require("moongate.functions").handler("pre-function", 1000000, _G, load)
