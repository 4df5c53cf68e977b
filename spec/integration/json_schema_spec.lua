--- docs/moongate.schema.json judged by somebody else's validator: what the gateway takes it must take, and what is
--- plainly wrong it must refuse.
local cjson = require("cjson")
local json = require("moongate.docs.json")
local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")
local yaml = require("moongate.config.yaml")

local VALIDATE = [[
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for line in sys.stdin:
    errors = sorted(".".join(map(str, error.absolute_path)) + ": " + error.message
                    for error in validator.iter_errors(json.loads(line)))
    print(json.dumps(errors))
]]

local GOOD = {
  ["every kind of value"] = [[
workers: 4
drain_timeout: 1.5m
watch: ${WATCH}
limits: { body: 1g, headers: 50, total_timeout: "off" }
services:
  - name: a
    host: ups
    port: ${PORT:-80}
    connect_timeout: 500
    read_timeout: 30s
    tags: [x]
    routes:
      - paths: [/, =/exact]
        headers: { x-version: ["1", "2"] }
        plugins: [{ name: key-auth, config: { key_names: [x-key], hide_credentials: false } }]
  - { name: b, url: http://127.0.0.1:9001, limits: { body: 1k } }
upstreams: [{ name: ups, targets: [{ target: 127.0.0.1:9001, weight: 0 }] }]
consumers: [{ username: alice, keyauth_credentials: [{ key: k, tags: [t] }], credentials: { key-auth: [{ key: l }] } }]
plugins: [{ name: my-own, config: { whatever: 1 }, route: { name: x }, priority: -5, on_error: skip }]
]],
  ["a file of Kong's"] = [[
_format_version: "3.0"
_transform: true
services:
  - name: a
    url: http://a.example.com
    retries: 5
    routes: [{ name: r, paths: [~/a/\d+], protocols: [http, https], https_redirect_status_code: 426, path_handling: v0 }]
certificates: []
]],
}

-- What stands in the file, and what must be said about it.
local BAD = {
  { "rutes: []", "'rutes' was unexpected" },
  { "workers: many", "workers: " },
  { "drain_timeout: 60", "drain_timeout: " },
  { "limits: { body: 10 }", "limits.body: " },
  { "limits: { body: 10q }", "limits.body: " },
  { "admin: {}", "admin: 'address' is a required property" },
  { "certificates: [{ cert: x }]", "certificates.0: 'key' is a required property" },
  { "services: [{ name: a }]", "services.0: " },
  { "services: [{ url: http://a, retries: -1 }]", "services.0.retries: " },
  { "services: [{ url: http://a, limits: { connections: 5 } }]", "services.0.limits.connections: " },
  { "routes: [{ name: a }]", "routes.0: " },
  { "routes: [{ paths: /a }]", "routes.0.paths: " },
  { "consumers: [{ groups: [] }]", "consumers.0: " },
  { "plugins: [{ config: {} }]", "plugins.0: 'name' is a required property" },
  { "plugins: [{ name: key-auth, config: { key_name: x } }]", "plugins.0.config: " },
  { "plugins: [{ name: cors, config: { max_age: soon } }]", "plugins.0.config.max_age: " },
  { "consumers: [{ username: a, keyauth_credentials: [{ kee: x }] }]", "consumers.0.keyauth_credentials.0: " },
  { "trusted_proxies: [10.0.0.1]\ntrusted_ips: [10.0.0.1]", "should not be valid under" },
}

local function kinds(doc, value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, inner in pairs(value) do
    copy[key] = kinds(doc, inner)
  end
  return next(copy) == nil and doc.marks[value].kind == "array" and json.EMPTY_LIST or copy
end

-- The file as JSON, variables as they are written.
local function as_json(text)
  local doc = yaml.read(text, function(name) return "${" .. name .. "}" end)
  assert.same({}, doc.errors)
  return (json.encode(kinds(doc, doc.root)):gsub("\n%s*", " "))
end

describe("docs/moongate.schema.json", function()
  after_each(moongate.stop_all)

  local function judge(texts)
    local lines = {}
    for i, text in ipairs(texts) do
      lines[i] = as_json(text)
    end
    local folder = moongate.folder { ["validate.py"] = VALIDATE, ["in"] = table.concat(lines, "\n") .. "\n" }
    local result = process.run({
      "/bin/sh",
      "-c",
      ("/usr/bin/python3 %s/validate.py %s/docs/moongate.schema.json < %s/in"):format(
        folder,
        host.source_dir,
        folder
      ),
    }, folder, { LD_PRELOAD = false }, 60)
    assert.equal(0, result.code, result.stderr)
    local answers = {}
    for line in result.stdout:gmatch("[^\n]+") do
      answers[#answers + 1] = cjson.decode(line)
    end
    assert.equal(#texts, #answers)
    return answers
  end

  it("takes what the gateway takes", function()
    local names, texts = {}, {}
    for name, text in pairs(GOOD) do
      names[#names + 1], texts[#texts + 1] = name, text
    end
    local listing = process.run({
      "/bin/sh",
      "-c",
      ("ls -d %s/examples/*/moongate.yaml %s/spec/support/kong.yaml"):format(host.source_dir, host.source_dir),
    }, moongate.folder())
    for path in listing.stdout:gmatch("[^\n]+") do
      local file = assert(io.open(path))
      names[#names + 1], texts[#texts + 1] = path, file:read("*a")
      file:close()
    end
    assert.is_true(#texts > 3)
    for i, errors in ipairs(judge(texts)) do
      assert.same({}, errors, names[i])
    end
  end)

  it("refuses what is plainly wrong, and says where", function()
    local texts = {}
    for i, row in ipairs(BAD) do
      texts[i] = row[1]
    end
    for i, errors in ipairs(judge(texts)) do
      assert.is_truthy(
        table.concat(errors, "\n"):find(BAD[i][2], 1, true),
        ("%s\n%s"):format(BAD[i][1], table.concat(errors, "\n"))
      )
    end
  end)
end)
