--- Certificates for specs, made by openssl in a folder of their own: authorities, what they sign, what they revoke.
--
--     local pki = require("support.pki").new()
--     pki:authority("ca")
--     pki:issue("alice", { by = "ca", names = { "alice.test" } })   → alice.pem, alice.key
--     pki:revoke("ca", "alice")
--     pki:list("ca")                                                → ca.crl
--     pki:remove()
local M = {}
M.__index = M

local CONFIG = [[
[ca]
default_ca = d
[d]
database = FOLDER/NAME.index
serial = FOLDER/NAME.serial
new_certs_dir = FOLDER/new
certificate = FOLDER/NAME.pem
private_key = FOLDER/NAME.key
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copyall
utf8 = yes
[any]
organizationName = optional
commonName = supplied
]]

local function run(command)
  local pipe = assert(io.popen(("(%s) 2>&1; echo =$?"):format(command)))
  local output = pipe:read("*a")
  pipe:close()
  if not output:find("=0\n$") then error(command .. "\n" .. output, 3) end
  return output
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function moment(at) return os.date("!%Y%m%d%H%M%SZ", at) end

local KINDS = { ec = "ec -pkeyopt ec_paramgen_curve:P-256", rsa = "rsa:2048" }

function M.new()
  local folder = os.tmpname()
  os.remove(folder)
  run(("mkdir -m 700 '%s' '%s/new'"):format(folder, folder))
  return setmetatable({ folder = folder }, M)
end

function M:remove() os.execute(("rm -rf '%s'"):format(self.folder)) end

function M:path(name) return self.folder .. "/" .. name end

function M:text(name)
  local file = assert(io.open(self:path(name), "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- { ["a.pem"] = its text, … } of these files.
function M:files(...)
  local files = {}
  for _, name in ipairs { ... } do
    files[name] = self:text(name)
  end
  return files
end

-- What an authority needs to sign and to revoke.
function M:open_books(name, serial)
  write(self:path(name .. ".cnf"), (CONFIG:gsub("FOLDER", self.folder):gsub("NAME", name)))
  write(self:path(name .. ".index"), "")
  write(self:path(name .. ".serial"), serial)
end

--- A self-signed authority: NAME.pem, NAME.key.
function M:authority(name)
  run(
    (
      "cd '%s' && openssl req -x509 -newkey %s -nodes -keyout %s.key -out %s.pem -subj '/CN=%s' -days 30 "
      .. "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign"
    ):format(self.folder, KINDS.ec, name, name, name)
  )
  self:open_books(name, "1001\n")
end

--- NAME.pem and NAME.key. Options: by (an authority), names (DNS), cn, kind ("ec", "rsa"), from and till (seconds since
--- 1970), authority (it may sign itself).
function M:issue(name, opts)
  local extensions = {}
  for i, host in ipairs(opts.names or {}) do
    extensions[i] = "DNS:" .. host
  end
  local add = #extensions > 0 and (" -addext subjectAltName=" .. table.concat(extensions, ",")) or ""
  if opts.authority then add = add .. " -addext basicConstraints=critical,CA:TRUE" end
  run(
    ("cd '%s' && openssl req -utf8 -new -newkey %s -nodes -keyout %s.key -out %s.csr -subj '/O=Moongate/CN=%s'%s"):format(
      self.folder,
      KINDS[opts.kind or "ec"],
      name,
      name,
      opts.cn or name,
      add
    )
  )
  run(
    ("cd '%s' && openssl ca -batch -notext -config %s.cnf -startdate %s -enddate %s -in %s.csr -out %s.pem"):format(
      self.folder,
      opts.by,
      moment(opts.from or os.time() - 3600),
      moment(opts.till or os.time() + 30 * 24 * 3600),
      name,
      name
    )
  )
  if opts.authority then self:open_books(name, "5001\n") end
end

function M:revoke(by, name)
  run(("cd '%s' && openssl ca -batch -config %s.cnf -revoke %s.pem"):format(self.folder, by, name))
end

--- The list of what an authority revoked: BY.crl. Options: from, till (seconds since 1970).
function M:list(by, opts)
  opts = opts or {}
  run(
    ("cd '%s' && openssl ca -config %s.cnf -gencrl -crl_lastupdate %s -crl_nextupdate %s -out %s.crl"):format(
      self.folder,
      by,
      moment(opts.from or os.time() - 3600),
      moment(opts.till or os.time() + 7 * 24 * 3600),
      by
    )
  )
end

--- Runs openssl (or another program) in the folder; what it says, errors too.
function M:run(command) -- luacheck: no self
  local pipe = assert(io.popen(("cd '%s' && (%s) 2>&1"):format(self.folder, command)))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

return M
