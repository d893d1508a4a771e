-- KEYS: lease, generations, head. ARGV: node, milliseconds, magic, the version that the node has seen
-- under the head's key (or nothing).
-- The lease with its fencing token; or for how much longer another has it; or what was stored since.
local head = redis.pcall('GETRANGE', KEYS[3], 0, 13)
if type(head) == 'string' and head:sub(1, 5) == ARGV[3] and head:sub(6, 6) ~= 't' then
  local version = head:sub(7, 14)
  if version ~= ARGV[4] then return { 'stored', version } end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  return { 'held', digits(math.max(redis.call('PTTL', KEYS[1]), 1)) }
end
local token = digits(following(KEYS[2], 'T'))
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. token, 'PX', ARGV[2])
if epoch(KEYS[2]) then redis.call('ZADD', KEYS[2], token, 'T') end
return { 'taken', token }
