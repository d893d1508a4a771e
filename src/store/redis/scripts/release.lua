-- KEYS: lease, log. ARGV: node, token, key. Only its holder's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] .. ':' .. ARGV[2] then return 'lost' end
redis.call('DEL', KEYS[1])
tell(KEYS[2], ARGV[1], 't', 'l', 'k', ARGV[3])
return 'released'
