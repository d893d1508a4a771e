-- KEYS: nodes. The nodes that have lived within three seconds, each with its newest Seq.
local now, fresh = micros() / 1000, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local seen, seq = all[i + 1]:match('^(%d+) (%d+)$')
  if seen and now - tonumber(seen) <= 3000 then
    table.insert(fresh, all[i])
    table.insert(fresh, seq)
  end
end
return fresh
