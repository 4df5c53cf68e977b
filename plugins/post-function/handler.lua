--- Runs Lua that stands in the configuration, behind the other plugins.
return require("moongate.functions").handler("post-function", -1000, _G, load)
