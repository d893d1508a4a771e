-- KEYS: generations, log. ARGV: node, a new epoch, the epoch that the node knows (or nothing), the
-- newest Seq and the newest entry of the log that it knows of.
-- Makes the generations where there are none, and tells that a node has come.
local gen, log = KEYS[1], KEYS[2]
redis.call('ZREM', gen, '')
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
-- Redis has forgotten what it had confirmed: it was restarted from an older state, or a replica took
-- its place. What was purged or invalidated since may lie there again.
local behind = score(gen, '#') < tonumber(ARGV[4]) or after(ARGV[5], last and last[1] or '')
if epoch(gen) == 'E' .. ARGV[3] and behind then redis.call('UNLINK', gen) end
found(gen, ARGV[2])
-- No later purge is to come before one that the node has applied.
if score(gen, '#') < tonumber(ARGV[4]) then redis.call('ZADD', gen, ARGV[4], '#') end
return tell(log, ARGV[1], 't', 'n')
