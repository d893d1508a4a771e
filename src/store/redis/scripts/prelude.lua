-- What the scripts share. Each is this and its own text: EVALSHA knows no modules.

-- An entry of the log that all nodes read. It names the one before it, so that a gap is seen.
local function tell(log, node, ...)
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  return redis.call('XADD', log, 'MAXLEN', '~', 65536, '*', 'p', last and last[1] or '', 'n', node, ...)
end

local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Lua writes large numbers with an exponent.
local function digits(number)
  return string.format('%.0f', number)
end

-- Above what was, and above what another set of generations had: time goes on.
local function following(gen, member)
  return math.max(micros(), tonumber(redis.call('ZSCORE', gen, member) or '0') + 1)
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
