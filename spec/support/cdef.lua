-- Makes text for ffi.cdef out of the core's C headers, at build time.
--
--   luajit cdef.lua --cc cc --core core --include DIR,DIR --pdk script/pdk.h,config/build.h --out pdk_cdef.c
--   luajit cdef.lua --cc cc --core core --include DIR,DIR --headers headers.txt --specs core.cdef --inlines spec_inlines.c
--
-- The compiler's preprocessor reads the headers; of its output only what stands in core/ is kept, cut into top-level
-- declarations, and each is tried on LuaJIT's own parser. For the PDK every one must pass. For the specs what does not
-- pass is left out, and named with the reason in core.cdef.skipped; types of libraries (uv_tcp_t) become opaque
-- structs of the right size, and `static inline` functions become real ones (spec_inlines.c) that FFI can find.
local ffi = require("ffi")

local function die(...)
  io.stderr:write("cdef: ", string.format(...), "\n")
  os.exit(1)
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

local function write(path, text)
  local file = io.open(path, "wb") or die("cannot write %s", path)
  file:write(text)
  file:close()
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local options = {}
for i = 1, #arg, 2 do
  options[assert(arg[i]:match("^%-%-(%a+)$"), arg[i])] = arg[i + 1]
end
local core = options.core

local function compiler(flags, source)
  local path = os.tmpname()
  write(path, source)
  local command = { options.cc, "-x c -std=gnu11 -D_GNU_SOURCE", flags }
  for dir in options.include:gmatch("[^,]+") do
    command[#command + 1] = "-I" .. quote(dir)
  end
  command[#command + 1] = quote(path)
  local pipe = assert(io.popen(table.concat(command, " ") .. " 2>" .. path .. ".err"))
  local output = pipe:read("*a")
  pipe:close()
  local messages = read(path .. ".err") or ""
  os.remove(path)
  os.remove(path .. ".err")
  -- LuaJIT's close() does not tell the status: the compiler's own words do.
  if messages:find("error:", 1, true) then return nil, messages end
  return output
end

-- Top-level declarations of preprocessed text, each { text, where }, of files in core/ only.
local function declarations(preprocessed)
  local list, text = {}, {}
  local depth, start, keep = 0, nil, false
  local file, line, body

  local function finish()
    list[#list + 1] = { text = table.concat(text, "\n"), where = start, body = body }
    text, start, body = {}, nil, nil
  end

  -- A `{` after a parameter list opens a function's body; after anything else, a type.
  local function opens_body(before)
    before = before:gsub("__attribute__%s*%b()", ""):gsub("%s+$", "")
    return before:sub(-1) == ")"
  end

  local function feed(source)
    local from, at = 1, 1
    while true do
      local found, _, char = source:find("([%[%](){};\"'])", at)
      if not found then break end
      at = found + 1
      if char == '"' or char == "'" then
        while source:sub(at, at) ~= char do
          at = at + (source:sub(at, at) == "\\" and 2 or 1)
          if at > #source then break end
        end
        at = at + 1
      elseif char == "{" or char == "(" or char == "[" then
        if char == "{" and depth == 0 then
          local before = table.concat(text, "\n") .. source:sub(from, found - 1)
          if opens_body(before) then body = before end
        end
        depth = depth + 1
      elseif char == "}" or char == ")" or char == "]" then
        depth = depth - 1
        if depth == 0 and char == "}" and body then
          text[#text + 1] = source:sub(from, found)
          from = at
          finish()
        end
      elseif depth == 0 then -- ";"
        text[#text + 1] = source:sub(from, found)
        from = at
        finish()
      end
    end
    local rest = source:sub(from)
    if rest:find("%S") then text[#text + 1] = rest end
  end

  for source in preprocessed:gmatch("([^\n]*)\n") do
    local number, name = source:match('^# (%d+) "([^"]*)"')
    if number then
      file, line = name, tonumber(number) - 1
      keep = file:sub(1, #core + 1) == core .. "/"
    else
      line = (line or 0) + 1
      if keep then
        if source:find("%S") and not start then start = ("core/%s:%d"):format(file:sub(#core + 2), line) end
        feed(source)
      end
    end
  end
  return list
end

-- From C to what LuaJIT's parser knows.
local function simplify(text)
  return (
    text
      :gsub("__attribute__%s*%b()", " ")
      :gsub("__asm__%s*%b()", " ")
      :gsub("__extension__", " ")
      :gsub("_Noreturn", " ")
      :gsub("_Atomic%s*(%b())", function(inner) return inner:sub(2, -2) end)
      :gsub("_Atomic", " ")
      :gsub("%[%s*static%s+", "[")
      :gsub("%f[%w_]inline%f[^%w_]", " ")
      :gsub("%s+", " ")
      :gsub("^ ", "")
      :gsub(" $", "")
  )
end

local function try(text)
  local ok, message = pcall(ffi.cdef, text)
  if ok then return true end
  return false, (tostring(message):gsub("^.-: ", "", 1):gsub(" at line %d+$", ""))
end

-- Headers of core/ so that each comes after those it includes, whatever hides the #include from the preprocessor.
local function headers_in_order()
  local order, seen = {}, {}
  local function visit(name)
    if seen[name] then return end
    seen[name] = true
    local text = read(core .. "/" .. name)
    if not text then return end
    for other in text:gmatch('#%s*include%s*"([^"]+)"') do
      visit(other)
    end
    order[#order + 1] = name
  end
  for path in io.lines(options.headers) do
    visit(path:sub(#core + 2))
  end
  return order
end

local function include_lines(headers)
  local lines = {}
  for i, name in ipairs(headers) do
    lines[i] = ('#include "%s"\n'):format(name)
  end
  return table.concat(lines)
end

-- The system headers that ours name.
local function system_includes(headers)
  local lines, seen = {}, {}
  for _, name in ipairs(headers) do
    for other in read(core .. "/" .. name):gmatch("#%s*include%s*<([^>]+)>") do
      if not seen[other] then
        seen[other] = true
        lines[#lines + 1] = ("#if __has_include(<%s>)\n#include <%s>\n#endif\n"):format(other, other)
      end
    end
  end
  return table.concat(lines)
end

-- One unreadable header must not take the others with it.
local function readable(headers)
  if compiler("-E", include_lines(headers)) then return headers end
  local good = {}
  for _, name in ipairs(headers) do
    local ok, messages = compiler("-E", include_lines { name })
    if ok then
      good[#good + 1] = name
    else
      io.stderr:write("cdef: core/", name, " is left out: ", messages:match("error: [^\n]*") or messages, "\n")
    end
  end
  return good
end

-- Size and alignment of a library's type, as the compiler sees them; nil when it does not know the type.
local function measure(includes, name)
  local probe = ('void measure(void) { __asm__("@GW %%c0 %%c1" :: "i"(sizeof(%s)), "i"(_Alignof(%s))); }\n'):format(
    name,
    name
  )
  local output = compiler("-S -o -", includes .. probe) or ""
  return output:match("@GW (%d+) (%d+)")
end

-- System types that specs want to look into; the rest is made opaque on demand.
local PRELUDE = [[
typedef int atomic_int; typedef unsigned int atomic_uint; typedef bool atomic_bool; typedef bool atomic_flag;
typedef long atomic_long; typedef unsigned long atomic_ulong; typedef long long atomic_llong;
typedef unsigned long long atomic_ullong; typedef size_t atomic_size_t; typedef uintptr_t atomic_uintptr_t;
typedef intptr_t atomic_intptr_t; typedef unsigned char atomic_uchar;
typedef int64_t ssize_t; typedef int64_t time_t; typedef int pid_t; typedef unsigned int socklen_t;
struct sockaddr { uint16_t sa_family; char sa_data[14]; };
struct sockaddr_storage { uint16_t ss_family; char ss_padding[118]; unsigned long ss_align; };
struct in_addr { uint32_t s_addr; };
struct in6_addr { uint8_t s6_addr[16]; };
struct sockaddr_in { uint16_t sin_family; uint16_t sin_port; struct in_addr sin_addr; unsigned char sin_zero[8]; };
struct sockaddr_in6 { uint16_t sin6_family; uint16_t sin6_port; uint32_t sin6_flowinfo; struct in6_addr sin6_addr;
                      uint32_t sin6_scope_id; };
struct sockaddr_un { uint16_t sun_family; char sun_path[108]; };
]]

local function make_specs()
  local headers = readable(headers_in_order())
  local preprocessed = assert(compiler("-E", include_lines(headers)))
  local libraries = system_includes(headers)
  local out, skipped = { PRELUDE }, {}
  ffi.cdef(PRELUDE)

  -- A struct that failed once cannot be declared any more in this process: try it under another name first.
  local trials = 0
  local function try_first(text)
    if text:find("%f[%w_]enum%f[^%w_][^;]*{") then return true end
    trials = trials + 1
    local renamed = text
    for _, kind in ipairs { "struct", "union" } do
      renamed = renamed:gsub("(%f[%w_]" .. kind .. "%s+[%w_]+)(%s*{)", "%1__" .. trials .. "%2")
    end
    return try(renamed)
  end

  -- The name of a type in `text` that only the library knows, from LuaJIT's complaint.
  local unknown = {}
  local function find_unknown(text, why)
    local name = why:match("declaration specifier expected near '([%a_][%w_]*)'")
    if name then return not unknown[name] and name end
    if not why:find("size of C type is unknown", 1, true) then return nil end
    for tag in text:gmatch("%f[%w_]struct%s+([%a_][%w_]*)%s+[%a_]") do
      name = "struct " .. tag
      if not unknown[name] and not tag:find("^gw_") and not pcall(ffi.sizeof, name) then return name end
    end
  end

  local function make_opaque(name)
    unknown[name] = true
    local size, align = measure(libraries, name)
    if not size then -- the library hides it, too: good for pointers
      local incomplete = ("typedef struct %s %s;"):format(name, name)
      if name:find("^struct ") or not try(incomplete) then return false end
      out[#out + 1] = incomplete
      return true
    end
    local bytes = ("{ unsigned char opaque[%s]; } __attribute__((aligned(%s)))"):format(size, align)
    local opaque = name:find("^struct ") and ("%s %s;"):format(name, bytes)
      or ("typedef struct %s %s;"):format(bytes, name)
    if not try(opaque) then return false end
    out[#out + 1] = opaque
    return true
  end

  -- Such a type becomes opaque bytes, and the declaration gets another try.
  local function accept(text)
    while true do
      local ok, why = try_first(text)
      if ok then return try(text) end
      local name = find_unknown(text, why)
      if not name or not make_opaque(name) then return false, why end
    end
  end

  for _, declaration in ipairs(declarations(preprocessed)) do
    local text = simplify(declaration.text)
    if declaration.body then text = simplify(declaration.body):gsub("^static ", "") .. ";" end
    if text ~= ";" and not text:find("^_?[Ss]tatic_assert") then
      local ok, why = accept(text)
      if ok then
        out[#out + 1] = text
      else
        local names = {}
        for name in text:gmatch("%f[%w_]gw_[%w_]+") do
          names[#names + 1] = name
        end
        for name in text:gmatch("%f[%w_]GW_[%w_]+") do
          names[#names + 1] = name
        end
        skipped[#skipped + 1] = ("%s\t%s\t%s\n"):format(
          declaration.where,
          why:gsub("%s+", " "),
          table.concat(names, " ")
        )
      end
    end
  end
  write(options.specs, table.concat(out, "\n") .. "\n")
  write(options.specs .. ".skipped", table.concat(skipped))
  return headers
end

-- A file in which the headers' inline functions are ordinary ones: system headers first, untouched, then ours with
-- `static inline` taken away.
local function make_inlines(headers)
  write(options.inlines, system_includes(headers) .. "#define static\n#define inline\n" .. include_lines(headers))
end

local function make_pdk()
  local headers = {}
  for name in options.pdk:gmatch("[^,]+") do
    headers[#headers + 1] = name
  end
  local preprocessed, messages = compiler("-E -DGW_CDEF", include_lines(headers))
  if not preprocessed then die("%s", messages) end
  local out = {
    "/* What Lua declares with ffi.cdef; made from core/" .. options.pdk .. ". */\n",
    "extern const char gw_pdk_cdef[];\nconst char gw_pdk_cdef[] = {\n",
  }
  local text = {}
  for _, declaration in ipairs(declarations(preprocessed)) do
    local one = simplify(declaration.text)
    if not declaration.body and one ~= ";" and not one:find("^_Static_assert") then
      local ok, why = try(one)
      if not ok then die("%s: LuaJIT cannot read this: %s", declaration.where, why) end
      text[#text + 1] = one .. "\n"
    end
  end
  for line in table.concat(text):gmatch("[^\n]*\n") do
    local bytes = {}
    for i = 1, #line do
      bytes[i] = line:byte(i)
    end
    out[#out + 1] = table.concat(bytes, ",") .. ",\n"
  end
  out[#out + 1] = "0 };\n"
  write(options.out, table.concat(out))
end

if options.pdk then
  make_pdk()
else
  make_inlines(make_specs())
end
