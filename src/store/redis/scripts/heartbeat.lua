-- KEYS: nodes, generations, log. ARGV: node, newest Seq that it has applied.
-- A node lives. Gives the epoch and the log's newest entry, so that it sees what was lost, and the
-- nodes that have lived within three seconds.
local nodes, now = KEYS[1], redis.call('TIME')
local milliseconds = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('HDEL', nodes, '')
redis.call('HSET', nodes, ARGV[1], digits(milliseconds) .. ' ' .. ARGV[2])
local all, alive = redis.call('HGETALL', nodes), {}
for i = 1, #all, 2 do
  local seen = tonumber(all[i + 1]:match('^%d+')) or 0
  if milliseconds - seen > 3600000 then redis.call('HDEL', nodes, all[i]) end
  if milliseconds - seen <= 3000 then table.insert(alive, all[i]) end
end
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
return { epoch(KEYS[2]) or '', last and last[1] or '', alive }
