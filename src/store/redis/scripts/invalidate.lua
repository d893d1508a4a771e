-- KEYS: head, body, log. ARGV: node, magic, key.
-- Drops a response, and keeps out for a while what was asked for before. To drop comes first: it is
-- done even without memory, and what follows it is then allowed.
redis.call('UNLINK', KEYS[1], KEYS[2])
local id = tell(KEYS[3], ARGV[1], 't', 'k', 'k', ARGV[3])
redis.call('SET', KEYS[1], ARGV[2] .. 't' .. id, 'PX', 60000)
return id
