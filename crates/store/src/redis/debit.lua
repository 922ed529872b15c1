-- Raises slots to cumulative targets, as `debit` of hot/wallet.rs does.
--
-- KEYS[1]  the shard: a hash of users to records, and '#' to its epoch
-- ARGV     epoch, mode (U up to, A all or nothing, T take back), one packed (slot, target) per
--          wallet, then the wallets' users, each once
-- Answers  the epoch and the records afterwards; what is missing or can't be read stays as it is
--
-- This runs for every live call each second. It makes few strings and no tables per wallet, since
-- those are what it costs; the first slot is read with the totals, because most wallets have one.
local read, write, sub = struct.unpack, struct.pack, string.sub
local epoch, mode, targets = ARGV[1], ARGV[2], ARGV[3]
local records = redis.call('HMGET', KEYS[1], '#', unpack(ARGV, 4))
if records[1] ~= epoch then return refusal(records[1], epoch) end
local changed, n, at = {}, 0, 1
for i = 2, #records do
  local record, slot, target = records[i]
  slot, target, at = read('>c16I7', targets, at)
  if record and #record > 29 and #record % 30 == 29 then
    local version, paid, promo, settled_paid, settled_promo, id, from_paid, from_promo =
      read('>BI7I7I7I7c16I7I7', record)
    local sound = version == 1 and paid + promo <= 9007199254740992
    local place = id == slot and 30
    paid, promo = paid - settled_paid - from_paid, promo - settled_promo - from_promo
    for other = 60, #record, 30 do
      local other_id, other_paid, other_promo = read('>c16I7I7', record, other)
      paid, promo = paid - other_paid, promo - other_promo
      if other_id == slot then place, from_paid, from_promo = other, other_paid, other_promo end
    end
    if sound and place then
      if paid < 0 then paid = 0 end
      if promo < 0 then promo = 0 end
      local owed, funds = target - from_paid - from_promo, paid + promo
      if owed > funds then owed = mode == 'A' and 0 or funds end
      if owed > 0 then
        local first = owed < promo and owed or promo
        if mode == 'T' then first = owed > paid and owed - paid or 0 end
        record = write('>c0I7I7c0', sub(record, 1, place + 15), from_paid + owed - first,
          from_promo + first, sub(record, place + 30))
        n = n + 2
        changed[n - 1], changed[n], records[i] = ARGV[i + 2], record, record
      end
    end
  end
end
if n > 0 then redis.call('HSET', KEYS[1], unpack(changed)) end
return records
