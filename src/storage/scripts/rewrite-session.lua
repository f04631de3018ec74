-- Replaces the text of the session record, if the session still exists, the set that stands there is the one that this
-- flight stored, and nobody else has written the text meanwhile.
-- ARGV: id of the flight, text as it was read, text as it shall be.
-- written | changed
local text = redis.call('GET', KEYS[4])
if field('by') ~= ARGV[3] or (text ~= ARGV[4] and text ~= ARGV[5]) then return { 'changed' } end
redis.call('SET', KEYS[4], ARGV[5], 'KEEPTTL')
return { 'written' }
