--- What plain Lua cannot do with files: absolute paths and folder listings, through libc.
local ffi = require("ffi")

local M = {}

-- The layout of struct dirent on 64-bit Linux. A second definition in one state would be an error.
pcall(
  ffi.cdef,
  [[
typedef struct gw_lua_dir gw_lua_dir;
struct gw_lua_dirent { uint64_t ino; int64_t off; uint16_t reclen; uint8_t type; char name[256]; };
gw_lua_dir *gw_lua_opendir(const char *path) __asm__("opendir");
struct gw_lua_dirent *gw_lua_readdir(gw_lua_dir *dir) __asm__("readdir");
int gw_lua_closedir(gw_lua_dir *dir) __asm__("closedir");
char *gw_lua_realpath(const char *path, char *resolved) __asm__("realpath");
void gw_lua_free(void *memory) __asm__("free");
]]
)

--- The absolute path without links, or nil when there is nothing there.
---@param path string
---@return string?
function M.absolute(path)
  local resolved = ffi.C.gw_lua_realpath(path, nil)
  if resolved == nil then return nil end
  local text = ffi.string(resolved)
  ffi.C.gw_lua_free(resolved)
  return text
end

--- The names in a folder, in order; nil when it cannot be read.
---@param path string
---@return string[]?
function M.list(path)
  local dir = ffi.C.gw_lua_opendir(path)
  if dir == nil then return nil end
  local names = {}
  while true do
    local entry = ffi.C.gw_lua_readdir(dir)
    if entry == nil then break end
    local name = ffi.string(entry.name)
    if name:sub(1, 1) ~= "." then names[#names + 1] = name end
  end
  ffi.C.gw_lua_closedir(dir)
  table.sort(names)
  return names
end

---@param path string
---@return boolean
function M.is_folder(path) return M.absolute(path .. "/.") ~= nil end

---@param path string
---@return boolean
function M.exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

---@param path string
---@return string? text
---@return string? reason
function M.read(path)
  local file, reason = io.open(path, "rb")
  if not file then return nil, reason end
  local text, problem = file:read("*a")
  file:close()
  return text, problem
end

--- The folder a path lies in.
---@param path string
---@return string
function M.folder(path) return path:match("^(.*)/[^/]*$") or "." end

return M
