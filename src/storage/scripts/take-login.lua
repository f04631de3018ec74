-- Takes a pending login once, for the browser that began it; another browser's attempt leaves it alone.
-- KEYS[1] login (hash)   ARGV: binder.
-- payload or nothing
if redis.call('HGET', KEYS[1], 'binder') ~= ARGV[1] then return false end
local payload = redis.call('HGET', KEYS[1], 'payload')
redis.call('DEL', KEYS[1])
return payload
