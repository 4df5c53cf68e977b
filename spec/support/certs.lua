--- Certificates for specs, made by openssl in a folder: authorities, and what they sign.
---
---     local certs = certs.folder()            certs.path, gone with certs:remove()
---     certs:authority("ca")                   ca.pem, ca.key
---     certs:sign("good", { by = "ca", san = "DNS:a.test" })    good.pem, good.key
local M = {}

local Folder = {}
Folder.__index = Folder

local function run(command)
  local log = os.tmpname()
  local good = os.execute(command .. " >" .. log .. " 2>&1") == 0
  local file = assert(io.open(log))
  local said = file:read("*a")
  file:close()
  os.remove(log)
  assert(good, command .. "\n" .. said)
end

local EC, RSA = "ec -pkeyopt ec_paramgen_curve:P-256", "rsa:%d"

-- req signs what begins now; for the rest there is ca, which wants a folder of its own.
local CA = [[
[ca]
default_ca = one
[one]
new_certs_dir = .
database = %s.db
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
]]

function M.folder()
  local path = os.tmpname() .. ".d"
  run("mkdir -m 700 " .. path)
  return setmetatable({ path = path }, Folder)
end

function Folder:remove() os.execute(("rm -rf '%s' '%s'"):format(self.path, self.path:sub(1, -3))) end

function Folder:file(name) return self.path .. "/" .. name end

function Folder:text(name)
  local file = assert(io.open(self:file(name), "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function Folder:write(name, text)
  local file = assert(io.open(self:file(name), "wb"))
  file:write(text)
  file:close()
end

--- One that signs others: by itself, or signed by `by`.
function Folder:authority(name, by)
  self:sign(
    name,
    { by = by, extensions = { "basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign,cRLSign" } }
  )
end

local function dates(options)
  return ("-startdate %s -enddate %s"):format(options.from or "20200101000000Z", options.till or "20990101000000Z")
end

--- `by`: who signs (itself without one); `san`: its alternative names; `cn`; `rsa`: bits, instead of a curve; `extensions`: more
--- of them; `from`, `till`: as ASN.1 has times.
function Folder:sign(name, options)
  local parts = {
    ("cd '%s' &&"):format(self.path),
    "openssl req -nodes -newkey",
    options.rsa and RSA:format(options.rsa) or EC,
    ("-keyout %s.key -subj '/CN=%s'"):format(name, options.cn or name),
  }
  for _, extension in ipairs(options.extensions or { "basicConstraints=CA:FALSE" }) do
    parts[#parts + 1] = ("-addext '%s'"):format(extension)
  end
  if options.san then
    parts[#parts + 1] = ("-addext '%s'"):format(
      options.san:find("=") and options.san or "subjectAltName=" .. options.san
    )
  end
  if not options.from and not options.till then
    parts[#parts + 1] = ("-x509 -days 30 -out %s.pem"):format(name)
    if options.by then parts[#parts + 1] = ("-CA %s.pem -CAkey %s.key"):format(options.by, options.by) end
    run(table.concat(parts, " "))
    return
  end
  self:write(name .. ".cnf", CA:format(name))
  self:write(name .. ".db", "")
  parts[#parts + 1] = ("-new -out %s.csr && openssl ca -batch -notext -config %s.cnf %s"):format(
    name,
    name,
    dates(options)
  )
  parts[#parts + 1] = options.by and ("-cert %s.pem -keyfile %s.key"):format(options.by, options.by)
    or ("-selfsign -keyfile %s.key"):format(name)
  parts[#parts + 1] = ("-in %s.csr -out %s.pem"):format(name, name)
  run(table.concat(parts, " "))
end

return M
