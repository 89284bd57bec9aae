-- Puts an archive back that Redis has lost, and takes those hosts away that it holds.
-- KEYS: index, archive, then host and gone of each host that the archive holds.
-- ARGV: edition that is there, edition of the archive, archive, retention (ms), ids of the hosts.
if (redis.call('HGET', KEYS[1], 'archive') or '') ~= ARGV[1] then
  return 'archive'
end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], 'archive', ARGV[2])
for i = 5, #ARGV do
  local host, gone = KEYS[2 * i - 7], KEYS[2 * i - 6]
  redis.call('HDEL', KEYS[1], ARGV[i])
  if redis.call('EXISTS', host) == 1 then
    redis.call('RENAME', host, gone)
  elseif redis.call('EXISTS', gone) == 0 then
    redis.call('HSET', gone, 'seq', '0')
  end
  redis.call('PEXPIRE', gone, ARGV[4])
end
return 'ok'
