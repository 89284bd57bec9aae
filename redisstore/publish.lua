-- Puts a host's publication in force, or says that it is still the same.
-- KEYS: index, host, gone
-- ARGV: id, seq, ttl (ms), state, age (ms), name, digest, schema, values.
-- Without values: a heartbeat for what is there. Without a schema: it is that of the digest.
-- age is above 0 where somebody else puts the publication back.
if redis.call('EXISTS', KEYS[3]) == 1 then
  return 'gone'
end
local entry = redis.call('HGET', KEYS[1], ARGV[1])
local there = redis.call('HMGET', KEYS[2], 'seq', 'digest')
local seq = tonumber(ARGV[2])
if entry and there[1] and tonumber(there[1]) > seq then
  return 'stale ' .. there[1]
end
if ARGV[9] == '' then
  if not (entry and there[1] and tonumber(there[1]) == seq) then
    return 'resend'
  end
elseif ARGV[8] ~= '' then
  redis.call('HSET', KEYS[2], 'seq', ARGV[2], 'digest', ARGV[7], 'schema', ARGV[8], 'values', ARGV[9])
elseif there[2] == ARGV[7] then
  redis.call('HSET', KEYS[2], 'seq', ARGV[2], 'values', ARGV[9])
else
  return 'resend'
end
local now = redis.call('TIME')
local beat = now[1] * 1000 + math.floor(now[2] / 1000) - tonumber(ARGV[5])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %.0f %s %s %s %s', ARGV[2], beat, ARGV[3], ARGV[4], ARGV[7], ARGV[6]))
return 'ok'
