-- Why a caller with `epoch` is turned away from a shard whose epoch is `known` (false: none).
-- Epochs are decimal digits of one length, so they compare as text.
local function refusal(known, epoch)
  if known and known > epoch then
    return redis.error_reply('FENCED a later owner has been here')
  end
  return redis.error_reply('FORGOTTEN this epoch is not known here')
end

