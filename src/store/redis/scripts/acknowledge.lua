-- KEYS: log. ARGV: node, Seq. A node has applied all purges up to this one.
redis.call('XDEL', KEYS[1], '0-1')
return tell(KEYS[1], ARGV[1], 't', 'a', 's', ARGV[2])
