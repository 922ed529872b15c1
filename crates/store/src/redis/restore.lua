-- Brings wallets up to the ledger's totals, as `restored` of hot/wallet.rs does, and the shard up
-- to the caller's epoch.
--
-- KEYS[1]  the shard
-- ARGV     epoch, K to keep what slots took beyond the ledger or D to drop it, which part of one
--          restoring this is (0: the first), then user and record of each wallet
-- Answers  the records afterwards
local epoch, surplus = ARGV[1], ARGV[2]
local known = redis.call('HGET', KEYS[1], '#')
if ARGV[3] ~= '0' then
  if known ~= epoch then return refusal(known, epoch) end
elseif known and known >= epoch then
  return redis.error_reply('FENCED a later restoring, or this one, has been here')
else
  redis.call('HSET', KEYS[1], '#', epoch)
end

local function add_surplus(wallet, before)
  local took = {}
  for _, slot in ipairs(before.slots) do took[slot.id] = slot end
  local paid = math.max(wallet.credited_paid - wallet.settled_paid, 0)
  local promo = math.max(wallet.credited_promo - wallet.settled_promo, 0)
  for _, slot in ipairs(wallet.slots) do
    paid, promo = math.max(paid - slot.paid, 0), math.max(promo - slot.promo, 0)
  end
  for _, slot in ipairs(wallet.slots) do
    local more = took[slot.id]
    if more and more.paid >= slot.paid and more.promo >= slot.promo then
      local from_paid = math.min(more.paid - slot.paid, paid)
      local from_promo = math.min(more.promo - slot.promo, promo)
      paid, promo = paid - from_paid, promo - from_promo
      slot.paid, slot.promo = slot.paid + from_paid, slot.promo + from_promo
    end
  end
end

local records = {}
for i = 4, #ARGV, 2 do
  local wallet, before = read(ARGV[i + 1]), read(redis.call('HGET', KEYS[1], ARGV[i]))
  if before then
    for _, total in ipairs({ 'credited_paid', 'credited_promo', 'settled_paid', 'settled_promo' }) do
      wallet[total] = math.max(wallet[total], before[total])
    end
    if surplus == 'K' then add_surplus(wallet, before) end
  end
  table.insert(records, keep(KEYS[1], ARGV[i], wallet))
end
return records
