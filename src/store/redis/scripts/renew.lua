-- KEYS: lease. ARGV: node, token, milliseconds. Only its holder's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] .. ':' .. ARGV[2] then return 'lost' end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'renewed'
