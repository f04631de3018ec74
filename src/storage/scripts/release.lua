#!lua flags=allow-oom
-- Gives up a flight that stored nothing, saying how many presentations are left without an answer.
-- ARGV: id, epoch, version, left, declined in a row, back-off ms.
-- released
local id, left, backoff = ARGV[3], tonumber(ARGV[6]), tonumber(ARGV[8])
if exists() and same_record(ARGV[4], ARGV[5]) and field('attempt') == id then
  if left == 0 then
    redis.call('HDEL', KEYS[1], 'attempt', 'n', 'beat')
  else
    redis.call('HSET', KEYS[1], 'attempt', '-', 'n', left)
  end
  redis.call('HSET', KEYS[1], 'declined', ARGV[7])
  if backoff > 0 then
    redis.call('HSET', KEYS[1], 'notBefore', now() + backoff)
  else
    -- Of the present a node whose clock is a little behind would think that it is yet to come.
    redis.call('HDEL', KEYS[1], 'notBefore')
  end
end
drop_lease_of(id)
publish('failed ' .. left)
return { 'released' }
