#!lua flags=allow-oom
-- Stores what the provider issued, if the session still exists and nothing newer stands there. Needs no lease.
-- A full Redis must not lose a rotation already made.
-- ARGV: id, epoch, version, number of the presentation, sealed set, store time at which nothing is left to spend (0 for
-- unknown).
-- gone + reason | stored | stale + record
local id, epoch, version, n = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
if not exists() then return gone() end
if field('by') == id then
  drop_lease_of(id)
  publish('stored')
  return { 'stored' }
end
local function overtaken_by_me()
  -- Several presentations of one token were answered: the latest wins.
  if field('epoch') ~= epoch or field('attempt') then return false end
  local from_version, from_n = string.match(field('from') or '', '^(%d+)%.(%d+)$')
  return from_version == version and tonumber(from_n) < n
end
if not same_record(epoch, version) and not overtaken_by_me() then return with_record('stale') end
redis.call('HSET', KEYS[1], 'set', ARGV[7], 'version', number('version') + 1, 'by', id, 'from', version .. '.' .. n)
redis.call('HDEL', KEYS[1], 'attempt', 'n', 'beat', 'declined', 'notBefore')
local idle = number('idle')
if idle > 0 and (number('grantEndsAt') > 0 or tonumber(ARGV[8]) > 0) then
  redis.call('HSET', KEYS[1], 'grantEndsAt', ARGV[8])
  local at = now()
  redis.call('PEXPIRE', KEYS[1], math.max(math.min(number('extendedAt') + idle, ends_at()) - at, 1))
end
drop_lease_of(id)
publish('stored')
return { 'stored' }
