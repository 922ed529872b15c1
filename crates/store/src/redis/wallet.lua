-- A record as a table: version 1, credited and settled (paid, promo), then per slot its id and what
-- it took (paid, promo). Nil if it is none that we write.
local AMOUNT_MAX = 9007199254740992

local function read(record)
  if not record or #record < 29 or #record % 30 ~= 29 or record:byte(1) ~= 1 then return nil end
  local wallet = { slots = {} }
  wallet.credited_paid, wallet.credited_promo, wallet.settled_paid, wallet.settled_promo =
    struct.unpack('>I7I7I7I7', record, 2)
  local sound = wallet.credited_paid + wallet.credited_promo <= AMOUNT_MAX
    and wallet.settled_paid + wallet.settled_promo <= AMOUNT_MAX
  for at = 30, #record, 30 do
    local id, paid, promo = struct.unpack('>c16I7I7', record, at)
    sound = sound and paid + promo <= AMOUNT_MAX
    table.insert(wallet.slots, { id = id, paid = paid, promo = promo })
  end
  return sound and wallet or nil
end

local function write(wallet)
  local parts = { struct.pack('>BI7I7I7I7', 1, wallet.credited_paid, wallet.credited_promo,
    wallet.settled_paid, wallet.settled_promo) }
  for _, slot in ipairs(wallet.slots) do
    table.insert(parts, struct.pack('>c16I7I7', slot.id, slot.paid, slot.promo))
  end
  return table.concat(parts)
end

-- Stores a wallet; one without slots is forgotten, since the ledger knows all of it.
local function keep(key, user, wallet)
  local record = write(wallet)
  if #wallet.slots == 0 then
    redis.call('HDEL', key, user)
  else
    redis.call('HSET', key, user, record)
  end
  return record
end

