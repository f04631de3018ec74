-- Put in front of every script of the refresh protocol.
-- KEYS[1] token record (hash)   KEYS[2] lease (string)   KEYS[3] ended (hash)   KEYS[4] session record (string)
-- ARGV[1] channel   ARGV[2] ref   further arguments as each script says.
local FIELDS = { 'set', 'epoch', 'version', 'attempt', 'n', 'beat', 'declined', 'notBefore', 'extendedAt' }

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A key of another type is no record.
local function exists() return redis.call('TYPE', KEYS[1]).ok == 'hash' end

local function field(name) return redis.call('HGET', KEYS[1], name) end

local function number(name) return tonumber(field(name)) or 0 end

local function gone() return { 'gone', redis.call('HGET', KEYS[3], 'reason') or 'expired' } end

-- A status followed by the record's FIELDS.
local function with_record(status)
  return { status, unpack(redis.call('HMGET', KEYS[1], unpack(FIELDS))) }
end

local function same_record(epoch, version) return field('epoch') == epoch and field('version') == version end

-- When it ends however much it is used: by our own limit, or when there is nothing left to spend.
local function ends_at()
  local grant = number('grantEndsAt')
  if grant == 0 then return number('endsAt') end
  return math.min(number('endsAt'), math.floor(grant))
end

local function drop_lease_of(id)
  if redis.call('GET', KEYS[2]) == id then redis.call('DEL', KEYS[2]) end
end

local function publish(message) redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. message) end
