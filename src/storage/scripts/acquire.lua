-- Takes the lease to refresh, if the record is still the one seen and its token may be presented.
-- Writes nothing into the record. Taking and re-reading is one step.
-- ARGV: id, epoch, version, doubt's attempt ('' for none), doubt's beat, open (1: a token in doubt may go), lease ms.
-- gone + reason | changed + record | busy + ms | later + ms | doubt + attempt + beat | acquired + record
local id, attempt_seen, beat_seen, open, lease = ARGV[3], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
if not exists() then return gone() end
if not same_record(ARGV[4], ARGV[5]) then return with_record('changed') end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= id then return { 'busy', redis.call('PTTL', KEYS[2]) } end
local wait = number('notBefore') - now()
if wait > 0 then return { 'later', wait } end
local attempt = field('attempt')
if attempt == '-' then
  if open ~= '1' then return { 'later', 0 } end
elseif attempt then
  local beat = field('beat') or '0'
  if attempt ~= attempt_seen or beat ~= beat_seen then return { 'doubt', attempt, beat } end
end
redis.call('SET', KEYS[2], id, 'PX', lease)
return with_record('acquired')
