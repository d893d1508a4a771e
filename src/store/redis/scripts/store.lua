-- KEYS: head, body, log, lease. ARGV: node, magic, key, mode, record, body, milliseconds, the log's
-- entry that the writer had heard when it asked the origin, fencing token (or nothing).
-- Stores a response ("all"), its head alone ("head"), or a variant list ("vary"), unless what lies
-- there is newer. Places in records are those of docs/redis.md, counted from 1.
local head, body, log, lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local node, magic, key, mode, record = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local milliseconds, heard, token = ARGV[7], ARGV[8], ARGV[9]

local old = redis.pcall('GETRANGE', head, 0, 137)
if type(old) ~= 'string' then old = '' end
local kind = old:sub(1, 5) == magic and old:sub(6, 6)

if kind == 't' and after(old:sub(7), heard) then return 'invalidated' end
-- Only under the same epoch: another's counts as gone.
if (kind == 'h' or kind == 'v') and #old >= 30 and old:sub(23, 30) == record:sub(23, 30) then
  local was, is = struct.unpack('>i8', old:sub(15, 22)), struct.unpack('>i8', record:sub(15, 22))
  -- A date from the future does not keep others out.
  if was > is and was <= micros() / 1000 + 1000 then return 'newer' end
end
if token ~= '' then
  local held = redis.call('GET', lease)
  local newest = held and tonumber(held:match(':(%d+)$'))
  if newest and newest > tonumber(token) then return 'fenced' end
end

if mode == 'head' then
  local same = kind == 'h' and old:sub(99, 130) == record:sub(99, 130)
  if not same or redis.call('PEXPIRE', body, milliseconds) == 0 then return 'bodiless' end
end
redis.call('SET', head, record, 'PX', milliseconds)
if mode == 'all' then
  redis.call('SET', body, ARGV[6], 'PX', milliseconds)
elseif mode == 'vary' then
  redis.call('UNLINK', body)
end
if mode ~= 'vary' or kind ~= 'v' or old:sub(7, 14) ~= record:sub(7, 14) then
  tell(log, node, 't', 'k', 'k', key, 'v', record:sub(7, 14))
end
return 'stored'
