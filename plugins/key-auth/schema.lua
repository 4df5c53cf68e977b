local t = require("moongate.schema")

return t.record {
  key_names = t.array {
    t.header_name {},
    default = { "apikey" },
    len_min = 1,
    about = "Names under which the key may stand, tried in this order.",
  },
  hide_credentials = t.boolean {
    default = true,
    kong_default = false,
    kong_unsafe = "the service (and its logs) sees every client's key",
    about = "Take the key away before the request goes to the service.",
  },
  anonymous = t.string { about = "Consumer (name or id) for requests without a valid key, instead of a 401." },
  key_in_header = t.boolean { default = true, about = "Look for the key in headers." },
  key_in_query = t.boolean {
    default = false,
    kong_default = true,
    kong_unsafe = "keys in query strings end up in logs and browser histories",
    about = "Look for the key in the query string.",
  },
  key_in_body = t.boolean {
    default = false,
    about = "Look for the key in a form or JSON body, which is then buffered.",
  },
  run_on_preflight = t.boolean { default = true, about = "Ask for a key on OPTIONS requests, too." },
  realm = t.string { about = "Realm of the WWW-Authenticate header." },
  t.check(function(conf)
    if conf.key_in_header or conf.key_in_query or conf.key_in_body then return true end
    return nil, "no place is left where a key could stand: turn on key_in_header, key_in_query or key_in_body"
  end),
}
