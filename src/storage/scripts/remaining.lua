#!lua flags=allow-oom
-- What is left of a session; first pushes its idle limit out, never past the absolute one, if asked to.
-- A full Redis must not end sessions that are in use; what is written takes the place of what stands there.
-- ARGV: idle ms, 0 to leave the limit alone; ms within which it is not pushed out twice, whoever asks.
-- gone + reason | remaining + idle ms + absolute ms + the same but for what a refresh may push out
if not exists() then return gone() end
local at = now()
local absolute = ends_at() - at
local idle = tonumber(ARGV[3])
if idle > 0 and at - number('extendedAt') >= tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[1], 'extendedAt', at, 'idle', idle)
  redis.call('PEXPIRE', KEYS[1], math.max(math.min(idle, absolute), 1))
end
return { 'remaining', redis.call('PTTL', KEYS[1]), absolute, number('endsAt') - at }
