-- Creates a session's token record, once. Its presence is the session's life.
-- ARGV: epoch, sealed set, idle ms, absolute ms.
-- begun | exists
if redis.call('EXISTS', KEYS[1], KEYS[3]) > 0 then return { 'exists' } end
local at = now()
local absolute = tonumber(ARGV[6])
redis.call('HSET', KEYS[1], 'set', ARGV[4], 'epoch', ARGV[3], 'version', 1, 'by', '', 'from', '0.0',
  'endsAt', at + absolute, 'extendedAt', at)
redis.call('PEXPIRE', KEYS[1], math.min(tonumber(ARGV[5]), absolute))
return { 'begun' }
