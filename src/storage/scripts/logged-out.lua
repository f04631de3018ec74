#!lua flags=allow-oom
-- Notes when the provider has logged somebody out. A full Redis must not keep a logout from counting.
-- KEYS[1] the moment (string)   ARGV: seconds, life ms.
-- noted
local before = tonumber(redis.call('GET', KEYS[1]) or 0)
redis.call('SET', KEYS[1], math.max(before, tonumber(ARGV[1])), 'PX', ARGV[2])
return 'noted'
