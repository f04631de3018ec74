-- Creates a session's token record, once. Its presence is the session's life.
-- ARGV: epoch, sealed set, idle ms, absolute ms, store time at which nothing is left to spend (0 for unknown).
-- begun | exists
if redis.call('EXISTS', KEYS[1], KEYS[3]) > 0 then return { 'exists' } end
local at = now()
local idle, absolute = tonumber(ARGV[5]), tonumber(ARGV[6])
redis.call('HSET', KEYS[1], 'set', ARGV[4], 'epoch', ARGV[3], 'version', 1, 'by', '', 'from', '0.0',
  'endsAt', at + absolute, 'grantEndsAt', ARGV[7], 'extendedAt', at, 'idle', idle)
redis.call('PEXPIRE', KEYS[1], math.max(math.min(idle, ends_at() - at), 1))
return { 'begun' }
