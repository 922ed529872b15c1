-- Writes into a shard what was computed from what stands there, if it still stands there.
--
-- KEYS[1]  the shard: a hash of users to records, and '#' to its owner's epoch
-- ARGV     how many fields are compared (n) and removed (m); the n names; what has to stand there,
--          '' for nothing; the m names; then name and value of each field that is written
-- Answers  nothing if it was done; if not, what stands in the n fields
local n, m = tonumber(ARGV[1]), tonumber(ARGV[2])
local there = redis.call('HMGET', KEYS[1], unpack(ARGV, 3, n + 2))
for i = 1, n do
  if (there[i] or '') ~= ARGV[n + 2 + i] then return there end
end
local removed = 2 * n + 3
local written = removed + m
if m > 0 then redis.call('HDEL', KEYS[1], unpack(ARGV, removed, written - 1)) end
if #ARGV >= written then redis.call('HSET', KEYS[1], unpack(ARGV, written)) end
return {}
