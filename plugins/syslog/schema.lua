local t = require("moongate.schema")

local function severity(about)
  return t.one_of {
    "debug",
    "info",
    "notice",
    "warning",
    "err",
    "crit",
    "alert",
    "emerg",
    default = "info",
    about = about,
  }
end

return t.record {
  log_level = severity("Messages of lower severity are not written."),
  successful_severity = severity("Severity of answers below 400."),
  client_errors_severity = severity("Severity of answers from 400 to 499."),
  server_errors_severity = severity("Severity of answers from 500."),
  facility = t.one_of {
    "auth",
    "authpriv",
    "cron",
    "daemon",
    "ftp",
    "kern",
    "lpr",
    "mail",
    "news",
    "syslog",
    "user",
    "uucp",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
    default = "user",
    about = "What part of the system the messages come from.",
  },
  socket = t.string {
    default = "/dev/log",
    match = "^/[^%c]+$",
    len_max = 107,
    about = "Where the syslog listens (not in Kong).",
  },
  custom_fields_by_lua = t.map {
    t.string {},
    later = "use ctx.log:set_serialize_value() in a plugin",
    about = "Lua expressions for fields of the message.",
  },
}
