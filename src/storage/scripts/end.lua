#!lua flags=allow-oom
-- Ends a session: deletes its records and leaves behind, for a while, why, and the set that is still to be revoked.
-- Never touches the lease: the flight finds the record gone.
-- ARGV: reason, id ('' for no fence), epoch, version, life of the remains in ms.
-- notMine | ended + reason + set | already + reason + set | none
local reason, id = ARGV[3], ARGV[4]
if id ~= '' and redis.call('HGET', KEYS[3], 'by') == id then
  -- My own earlier call: its answer was lost.
  return { 'ended', redis.call('HGET', KEYS[3], 'reason'), redis.call('HGET', KEYS[3], 'set') }
end
if id ~= '' and not (exists() and same_record(ARGV[5], ARGV[6]) and field('attempt') == id) then return { 'notMine' } end
if exists() then
  local set = field('set')
  redis.call('DEL', KEYS[1], KEYS[4])
  redis.call('HSET', KEYS[3], 'reason', reason, 'by', id, 'set', set)
  redis.call('PEXPIRE', KEYS[3], ARGV[7])
  publish('ended ' .. reason)
  return { 'ended', reason, set }
end
local before = redis.call('HGET', KEYS[3], 'reason')
if not before then return { 'none' } end
return { 'already', before, redis.call('HGET', KEYS[3], 'set') }
