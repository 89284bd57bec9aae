-- What the namespace has at one moment.
-- KEYS: index
return {redis.call('TIME'), redis.call('HGETALL', KEYS[1])}
