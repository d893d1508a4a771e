-- KEYS: generations, log. ARGV: node, a new epoch, the most names, members.
-- A purge, in one step for all nodes: a Seq of its own, and the log tells it.
local gen = KEYS[1]
-- Redis out of memory refuses a script's first write, if that needs memory. A purge frees some.
redis.call('ZREM', gen, '')
found(gen, ARGV[2])
local seq = digits(following(gen, '#'))
redis.call('ZADD', gen, seq, '#')
for i = 4, #ARGV do redis.call('ZADD', gen, seq, ARGV[i]) end

-- The oldest names leave, and count for everything: O(what leaves).
local excess = redis.call('ZCARD', gen) - ARGV[3]
if excess > 0 then
  local oldest = redis.call('ZRANGE', gen, 1, excess, 'WITHSCORES')
  for i = 1, #oldest, 2 do
    local name, score = oldest[i], oldest[i + 1]
    if #name == 9 then
      local all = name:sub(1, 1):upper() .. '*'
      local before = tonumber(redis.call('ZSCORE', gen, all) or '0')
      redis.call('ZREM', gen, name)
      redis.call('ZADD', gen, digits(math.max(before, tonumber(score))), all)
    end
  end
end
tell(KEYS[2], ARGV[1], 't', 'p', 's', seq, 'm', table.concat(ARGV, '', 4))
return seq
