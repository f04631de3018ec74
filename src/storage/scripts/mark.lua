-- Notes in the record that its refresh token is about to be presented. Repeated, it is the renewal of the lease.
-- ARGV: id, epoch, version, previous attempt ('' for none), presentations without an answer, lease ms.
-- gone + reason | changed + record | lost | marked
local id, previous, n, lease = ARGV[3], ARGV[6], tonumber(ARGV[7]), ARGV[8]
if not exists() then return gone() end
if not same_record(ARGV[4], ARGV[5]) then return with_record('changed') end
local attempt = field('attempt')
local holder = redis.call('GET', KEYS[2])
if not (holder == id or (not holder and attempt == id)) then return { 'lost' } end
if attempt and attempt ~= previous and attempt ~= id then return { 'lost' } end
local beat = 0
if attempt == id then beat = number('beat') + 1 end
-- The greater count: a late mark of the first presentation must not hide the second.
redis.call('HSET', KEYS[1], 'attempt', id, 'n', math.max(n, number('n')), 'beat', beat)
redis.call('SET', KEYS[2], id, 'PX', lease)
return { 'marked' }
