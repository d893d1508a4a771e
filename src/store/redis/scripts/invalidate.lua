-- KEYS: head, body, log, generations. ARGV: node, magic, key, a new epoch, the most names, the name of
-- what bears more tags than are told apart.
-- Drops a response, and keeps out for a while what was asked for before; and purges the cache groups
-- that it was in (RFC 9875), which the node need not know of. Places in records are those of
-- docs/redis.md, counted from 1.
local gen, magic = KEYS[4], ARGV[2]

local function hex(bytes)
  return (bytes:gsub('.', function(byte) return string.format('%02x', byte:byte()) end))
end

-- The groups of a head, but for what was purged before: that invalidates no more.
local function groups_of(record, members)
  if #record < 143 or epoch(gen) ~= 'E' .. hex(record:sub(23, 30)) then return end
  local began = struct.unpack('>I8', record, 91)
  local count, groups = struct.unpack('>I2I2', record, 139)
  if groups > count or #record < 143 + 8 * count or score(gen, 'H*') > began then return end
  for i = count - groups + 1, count do
    local member = 'h' .. record:sub(136 + 8 * i, 143 + 8 * i)
    if score(gen, member) <= began then table.insert(members, member) end
  end
end

local function read(name)
  local record = redis.pcall('GETRANGE', name, 0, 262143)
  if type(record) ~= 'string' or record:sub(1, 5) ~= magic then return '', '' end
  return record:sub(6, 6), record
end

-- The keys of a list's variants.
local function variants_of(record)
  local at, keys = 63, {}
  local function number(size)
    local bytes = record:sub(at, at + size - 1)
    at = at + size
    local value = 0
    for i = 1, #bytes do value = value * 256 + bytes:byte(i) end
    return value
  end
  for _ = 1, number(1) do
    local length = number(2)
    at = at + length
  end
  for _ = 1, math.min(number(1), 32) do
    table.insert(keys, record:sub(at, at + 31))
    at = at + 32
    local length = number(1)
    at = at + length
  end
  return keys
end

local members = {}
local kind, record = read(KEYS[1])
if kind == 'h' then groups_of(record, members) end
if kind == 'v' then
  local before = KEYS[1]:sub(1, -66)
  for _, key in ipairs(variants_of(record)) do
    local kind, record = read(before .. hex(key) .. '}')
    if kind == 'h' then groups_of(record, members) end
  end
end

-- To drop comes first: it is done even without memory, and what follows it is then allowed.
redis.call('UNLINK', KEYS[1], KEYS[2])
local id = tell(KEYS[3], ARGV[1], 't', 'k', 'k', ARGV[3])
redis.call('SET', KEYS[1], magic .. 't' .. id, 'PX', 60000)
if #members > 0 then
  found(gen, ARGV[4])
  table.insert(members, ARGV[6])
  -- Nobody's: every node is to apply it, the one that asks for this too.
  purge(gen, KEYS[3], '', ARGV[5], members)
end
return id
