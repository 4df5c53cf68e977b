local t = require("moongate.schema")

local function present(text) return text ~= nil and text ~= "" end

return t.record {
  status_code = t.integer { default = 503, between = { 200, 599 }, about = "Status of the answer." },
  message = t.string {
    about = "What the answer says: the problem's `detail`, or below 400 JSON with this `message`.",
  },
  content_type = t.string { match = "^[^%c]*$", about = "Content-Type of `body`." },
  body = t.string { about = "The whole body of the answer, as it is sent." },
  echo = t.boolean { default = false, about = "Answer with a description of the request as JSON." },
  trigger = t.header_name {
    about = "Answer only requests that carry a header or a query argument of this name; the others pass.",
  },
  t.check(function(conf)
    local typed, body = present(conf.content_type), present(conf.body)
    if present(conf.message) and (typed or body) then
      return nil, "message cannot stand beside content_type or body"
    elseif typed and not body then
      return nil, "content_type needs a body"
    elseif conf.echo and (typed or body) then
      return nil, "echo cannot stand beside content_type or body"
    end
    return true
  end),
}
