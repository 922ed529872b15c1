-- Raises what a wallet was credited, by maximum. A wallet that is not here, or whose record can't
-- be read, stays as it is.
--
-- KEYS[1]  the shard
-- ARGV     epoch, user, packed credited (paid, promo)
local known = redis.call('HGET', KEYS[1], '#')
if known ~= ARGV[1] then return refusal(known, ARGV[1]) end
local wallet = read(redis.call('HGET', KEYS[1], ARGV[2]))
if wallet then
  local paid, promo = struct.unpack('>I7I7', ARGV[3])
  wallet.credited_paid = math.max(wallet.credited_paid, paid)
  wallet.credited_promo = math.max(wallet.credited_promo, promo)
  keep(KEYS[1], ARGV[2], wallet)
end
return redis.status_reply('OK')
