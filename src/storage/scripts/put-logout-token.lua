#!lua flags=allow-oom
-- Notes that a logout token has done what it says, once. A full Redis must not keep a logout from counting.
-- KEYS[1] the token (string)   ARGV: life ms.
-- put | nothing
if redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 'put' end
return false
