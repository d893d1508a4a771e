-- KEYS: generations, log. ARGV: node, a new epoch.
-- Makes the generations where there are none, and tells that a node has come.
redis.call('ZREM', KEYS[1], '')
found(KEYS[1], ARGV[2])
return tell(KEYS[2], ARGV[1], 't', 'n')
