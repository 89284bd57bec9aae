-- Puts an archive back that Redis has lost, and takes those hosts away that it holds.
-- KEYS: index, archive, then host and gone of each host that the archive holds.
-- ARGV: edition that is there, edition of the archive, archive, retention (ms), then for each host
-- its id and the number of the publication that was folded.
if (redis.call('HGET', KEYS[1], 'archive') or '') ~= ARGV[1] then
  return 'archive'
end
local base = {}
for i = 5, #ARGV, 2 do
  base[i] = redis.pcall('HEXISTS', KEYS[i - 1], 'values') -- an error if something else has the key
  if type(base[i]) == 'table' and not base[i].err:find('WRONGTYPE', 1, true) then
    return base[i]
  end
end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], 'archive', ARGV[2])
for i = 5, #ARGV, 2 do
  local host, gone = KEYS[i - 2], KEYS[i - 1]
  redis.call('HDEL', KEYS[1], ARGV[i])
  if base[i] ~= 1 and redis.pcall('HGET', host, 'seq') == ARGV[i + 1] then
    redis.call('RENAME', host, gone)
  else
    -- What was published before or after that is no base.
    redis.call('DEL', host)
    if type(base[i]) == 'table' then
      redis.call('DEL', gone)
    end
    redis.call('HSETNX', gone, 'seq', ARGV[i + 1])
  end
  redis.call('PEXPIRE', gone, ARGV[4])
end
return 'ok'
