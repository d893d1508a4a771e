-- What the scripts share. Each is this and its own text: EVALSHA knows no modules.

-- An entry of the log that all nodes read. It names the one before it, so that a gap is seen.
local function tell(log, node, ...)
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  return redis.call('XADD', log, 'MAXLEN', '~', 65536, '*', 'p', last and last[1] or '', 'n', node, ...)
end

-- Whether one entry of the log came after another.
local function after(a, b)
  local a1, a2 = a:match('^(%d+)-(%d+)$')
  local b1, b2 = b:match('^(%d+)-(%d+)$')
  if not a1 or not b1 then return false end
  a1, a2, b1, b2 = tonumber(a1), tonumber(a2), tonumber(b1), tonumber(b2)
  return a1 > b1 or (a1 == b1 and a2 > b2)
end

local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Lua writes large numbers with an exponent.
local function digits(number)
  return string.format('%.0f', number)
end

local function score(gen, member)
  return tonumber(redis.call('ZSCORE', gen, member) or '0')
end

-- Above what was, and above what another set of generations had: time goes on.
local function following(gen, member)
  return math.max(micros(), score(gen, member) + 1)
end

local function epoch(gen)
  return redis.call('ZRANGEBYSCORE', gen, 0, 0)[1]
end

-- Without an epoch the set is not whole: a new one, under which nothing older is found.
local function found(gen, fresh)
  if not epoch(gen) then
    redis.call('UNLINK', gen)
    redis.call('ZADD', gen, 0, 'E' .. fresh, digits(micros()), '#')
  end
end

-- A purge, in one step for all nodes: a Seq of its own, and the log tells it.
local function purge(gen, log, node, most, members)
  local seq = digits(following(gen, '#'))
  redis.call('ZADD', gen, seq, '#')
  for _, member in ipairs(members) do redis.call('ZADD', gen, seq, member) end
  -- The oldest names leave, and count for everything: O(what leaves).
  local excess = redis.call('ZCARD', gen) - most
  if excess > 0 then
    local oldest = redis.call('ZRANGE', gen, 1, excess, 'WITHSCORES')
    for i = 1, #oldest, 2 do
      local name = oldest[i]
      if #name == 9 then
        local all = name:sub(1, 1):upper() .. '*'
        local raised = math.max(score(gen, all), tonumber(oldest[i + 1]))
        redis.call('ZREM', gen, name)
        redis.call('ZADD', gen, digits(raised), all)
      end
    end
  end
  tell(log, node, 't', 'p', 's', seq, 'm', table.concat(members))
  return seq
end
