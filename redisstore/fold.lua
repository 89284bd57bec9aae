-- Puts the successor of the archive in force, with the counts of hosts that are gone.
-- KEYS: index, archive, then host and gone of each host.
-- ARGV: edition that it follows, its own edition, archive, host-ttl (ms), retention (ms), then
-- id and seq of each host.
if (redis.call('HGET', KEYS[1], 'archive') or '') ~= ARGV[1] then
  return 'archive'
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local ephemeral = {}
for i = 6, #ARGV, 2 do
  local entry = redis.call('HGET', KEYS[1], ARGV[i])
  if not entry then
    return 'moved'
  end
  local seq, beat, ttl, state = entry:match('^(%S+) (%S+) (%S+) (%S+) ')
  local expired = ms - tonumber(beat) > math.max(tonumber(ARGV[4]), tonumber(ttl))
  if seq ~= ARGV[i + 1] or (state == 'live' and not expired) then
    return 'moved'
  end
  if redis.pcall('HGET', KEYS[i - 3], 'seq') ~= seq then
    return 'lost ' .. ARGV[i]
  end
  ephemeral[i] = state == 'ephemeral'
end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], 'archive', ARGV[2])
for i = 6, #ARGV, 2 do
  local host, gone = KEYS[i - 3], KEYS[i - 2]
  redis.call('HDEL', KEYS[1], ARGV[i])
  if ephemeral[i] then
    redis.call('DEL', host, gone)
    redis.call('HSET', gone, 'seq', ARGV[i + 1])
  else
    redis.call('RENAME', host, gone)
  end
  redis.call('PEXPIRE', gone, ARGV[5])
end
return 'ok'
