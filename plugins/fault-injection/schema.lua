local t = require("moongate.schema")

local function percentage()
  return t.number {
    between = { 0, 100 },
    default = 0,
    about = "Its share of the requests that the rest lets through; 0: none.",
  }
end

return t.record {
  delay = t.record {
    percentage = percentage(),
    time = t.duration {
      default = "1s",
      between = { 0.001, 60 },
      about = "How long a request waits, at most a minute.",
    },
    max_concurrent = t.integer {
      between = { 1, 10000 },
      default = 100,
      about = "Requests that wait at once in one worker; those above it do not wait.",
    },
  },
  abort = t.record {
    percentage = percentage(),
    status = t.integer {
      between = { 200, 599 },
      default = 503,
      about = "What the client gets instead of the service's answer.",
    },
    message = t.string { default = "a fault was injected", about = "The problem's `detail`." },
  },
  headers = t.map {
    t.header_name {},
    t.string {},
    about = "Only requests that carry all of these headers, each with that value.",
  },
  max_percentage = t.number {
    between = { 0, 100 },
    default = 50,
    about = "Where no `headers` are named, no share above it loads: so that nobody breaks everything by a slip.",
  },
  t.check(function(conf)
    if conf.delay.percentage == 0 and conf.abort.percentage == 0 then return true end
    if conf.headers and next(conf.headers) then return true end
    for _, kind in ipairs { "delay", "abort" } do
      if conf[kind].percentage > conf.max_percentage then
        return nil,
          ("asks for %g %% of all requests, and max_percentage is %g"):format(
            conf[kind].percentage,
            conf.max_percentage
          ),
          kind
      end
    end
    return true
  end),
}
