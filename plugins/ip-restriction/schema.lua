local t = require("moongate.schema")

return t.record {
  allow = t.array { t.ip_or_cidr {}, about = "Addresses and networks that may pass; then nobody else may." },
  deny = t.array { t.ip_or_cidr {}, about = "Addresses and networks that may not pass, whatever `allow` says." },
  status = t.integer { between = { 400, 599 }, about = "Status of a refusal; 403 when none is given." },
  message = t.string { about = "The refusal's `detail`." },
  t.at_least_one_of { "allow", "deny" },
}
