-- KEYS: lease, generations. ARGV: node, milliseconds.
-- The lease with its fencing token, or for how much longer another has it.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return { 'held', digits(math.max(redis.call('PTTL', KEYS[1]), 1)) }
end
local token = digits(following(KEYS[2], 'T'))
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. token, 'PX', ARGV[2])
if epoch(KEYS[2]) then redis.call('ZADD', KEYS[2], token, 'T') end
return { 'taken', token }
