-- docs/kong.md tells of every function of Kong's PDK, and tells the truth.
local files = require("moongate.config.files")
local host = require("support.host")

-- By heading of the page: the functions, as Kong documents them.
local FUNCTIONS = {
  ["kong.request"] = [[get_scheme get_host get_forwarded_scheme get_forwarded_host get_forwarded_port get_forwarded_path
    get_forwarded_prefix get_http_version get_method get_path get_raw_path get_path_with_query get_raw_query get_query_arg
    get_query get_header get_headers get_start_time get_uri_captures get_port get_raw_body get_body get_id get_raw_headers
    get_raw_forwarded_path]],
  ["kong.response"] = [[get_status get_header get_headers get_source set_status set_header add_header clear_header set_headers
    get_raw_body set_raw_body exit error]],
  ["kong.service"] = [[set_upstream set_target_retry_callback set_retries set_timeouts set_target set_tls_cert_key
    set_tls_verify set_tls_verify_depth set_tls_verify_store]],
  ["kong.service.request"] = [[enable_buffering set_scheme set_path set_header set_raw_body set_raw_query set_method set_query
    clear_query_arg add_header clear_header set_headers set_body disable_tls enable_tls]],
  ["kong.service.response"] = [[get_status get_headers get_header get_raw_body get_body]],
  ["kong.client"] = [[get_ip get_forwarded_ip get_port get_forwarded_port get_credential get_consumer load_consumer
    get_protocol authenticate tls.request_client_certificate tls.disable_session_reuse
    tls.get_full_client_certificate_chain tls.set_client_verify set_authenticated_consumer_groups
    set_authenticated_consumer_group get_consumer_groups get_consumer_group authenticate_consumer_group_by_consumer_id
    set_token get_token get_jwt_token_header get_jwt_token_payload get_aws_vpce_id]],
  ["kong.log"] = [[emerg alert crit err warn notice info debug trace deprecation inspect set_format new set_serialize_value
    serialize]],
  ["The rest"] = [[kong.router.get_route kong.router.get_service kong.node.get_id kong.node.get_memory_stats
    kong.node.get_hostname kong.cluster.get_id kong.ip.is_trusted kong.nginx.get_subsystem kong.nginx.get_statistics
    kong.plugin.get_id kong.table.new kong.table.clear kong.table.merge kong.vault kong.tracing kong.telemetry
    kong.configuration kong.db kong.dns kong.cache kong.core_cache kong.worker_events kong.cluster_events kong.timer
    kong.websocket kong.enterprise_edition.jwe kong.service.request.set_authentication_headers
    kong.service.response.set_body kong.service.enable_recording_upstream_ssl]],
}

local FILES = {
  ["kong.request"] = "request",
  ["kong.response"] = "response",
  ["kong.service"] = "service",
  ["kong.service.request"] = "service_request",
  ["kong.service.response"] = "service_response",
  ["kong.client"] = "client",
  ["kong.log"] = "log",
}

local page = assert(files.read(host.source_dir .. "/docs/kong.md"))

-- { name = what the page says } of the table below a heading.
local function section(title)
  local text = page:match("\n### " .. title:gsub("%p", "%%%0") .. "[^\n]*\n(.-)\n##")
  local rows = {}
  for names, about in assert(text, title):gmatch("\n| (`[^|]*) | ([^\n]*) |") do
    for name in names:gmatch("`([^`]+)`") do
      rows[name] = about
    end
  end
  return rows
end

-- The comment above a function, or nil when there is none of that name.
local function comment_of(file, name)
  local text = assert(files.read(("%s/lua/moongate/pdk/%s.lua"):format(host.source_dir, file)))
  local at = text:find("\nfunction M:" .. name .. "(", 1, true)
  return at and text:sub(1, at):match(".*\n\n(%-%-%- .-)$")
end

describe("docs/kong.md", function()
  for title, names in pairs(FUNCTIONS) do
    it("tells of every function of " .. title, function()
      local rows, count = section(title), 0
      for name in names:gmatch("%S+") do
        count = count + 1
        local about = rows[name]
        assert.is_string(about, title .. ": " .. name .. " is missing")
        local file, own = FILES[title], name
        if name:find("^tls%.") then
          file, own = "client_tls", name:sub(5)
        end
        if file then
          local comment = comment_of(file, own)
          assert.equal(not about:find("^Not here"), comment ~= nil, title .. ": " .. name .. ": " .. about)
          if about:find("^Not in this version") then
            assert.truthy(comment:find("Not in this version", 1, true), name .. ": " .. comment)
          end
        end
      end
      for name in pairs(rows) do
        assert.truthy(
          (" " .. names:gsub("%s+", " ") .. " "):find(" " .. name .. " ", 1, true)
            or name:find("^kong%.ctx")
            or name:find("^ngx"),
          title .. ": " .. name .. " is no function of Kong's"
        )
      end
      assert.is_true(count > 1)
    end)
  end
end)
