#!lua flags=allow-oom
-- Replaces the sealed set by one with the same refresh token, if the session still exists and nobody else has written the
-- set meanwhile. The version stays: what a refresh in the air fences is the refresh token.
-- A full Redis must not have the provider asked again by each request; what is written takes the place of what stands there.
-- ARGV: set as it was read, set as it shall be.
-- written | changed
local set = exists() and field('set')
if set ~= ARGV[3] and set ~= ARGV[4] then return { 'changed' } end
redis.call('HSET', KEYS[1], 'set', ARGV[4])
return { 'written' }
