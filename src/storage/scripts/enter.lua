-- Enters a session as the newest of its owner. Entries are scored by the store time at which they may be dropped; one that
-- began under a longer limit keeps its place all the same, before those that began later.
-- KEYS[1] the owner's sessions (sorted set)   ARGV: ref, store time, longest life of a session in ms.
-- entered
local at = tonumber(ARGV[2])
local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local dropped_at = math.max(at + tonumber(ARGV[3]), tonumber(newest[2] or 0) + 1)
redis.call('ZADD', KEYS[1], dropped_at, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', at)
redis.call('PEXPIREAT', KEYS[1], math.ceil(dropped_at))
return 'entered'
