-- KEYS: generations, log. ARGV: node, a new epoch, the most names, members.
-- Redis out of memory refuses a script's first write, if that needs memory. A purge frees some.
redis.call('ZREM', KEYS[1], '')
found(KEYS[1], ARGV[2])
local members = {}
for i = 4, #ARGV do table.insert(members, ARGV[i]) end
return purge(KEYS[1], KEYS[2], ARGV[1], ARGV[3], members)
