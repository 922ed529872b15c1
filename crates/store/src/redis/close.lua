-- Removes slots whose charge is part of what is settled, which is raised by maximum. A wallet that
-- is not here, or whose record can't be read, stays as it is.
--
-- KEYS[1]  the shard
-- ARGV     epoch, then of each slot the user and packed (slot, settled paid, settled promo)
local known = redis.call('HGET', KEYS[1], '#')
if known ~= ARGV[1] then return refusal(known, ARGV[1]) end
for i = 2, #ARGV, 2 do
  local wallet = read(redis.call('HGET', KEYS[1], ARGV[i]))
  if wallet then
    local id, paid, promo = struct.unpack('>c16I7I7', ARGV[i + 1])
    wallet.settled_paid = math.max(wallet.settled_paid, paid)
    wallet.settled_promo = math.max(wallet.settled_promo, promo)
    for n = #wallet.slots, 1, -1 do
      if wallet.slots[n].id == id then table.remove(wallet.slots, n) end
    end
    keep(KEYS[1], ARGV[i], wallet)
  end
end
return redis.status_reply('OK')
