-- KEYS: what is to be done once. ARGV: milliseconds for which that is remembered.
if redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 'first' end
return 'again'
