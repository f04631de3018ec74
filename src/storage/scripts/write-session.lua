-- Writes the session record of a session that still exists.
-- ARGV: text, its life in seconds.
-- written | gone + reason
if not exists() then return gone() end
redis.call('SET', KEYS[4], ARGV[3], 'EX', ARGV[4])
return { 'written' }
