//! What runs at the engine in one step, as in [`super::super::model`], which the interleavings are
//! tried on.

/// A grant, a renewal, the end of a lease: KEYS: the lease; ARGV: the act, the machine, the fencing
/// number or the highest number that the machine has seen, the duration.
pub(super) const LEASE: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local l = redis.call('HMGET', KEYS[1], 'holder', 'fence', 'until')
local holder, fence, till = l[1] or '', tonumber(l[2] or 0), tonumber(l[3] or 0)
local number = tonumber(ARGV[3])
local function keep()
  redis.call('HSET', KEYS[1], 'holder', holder, 'fence', string.format('%.0f', fence),
    'until', string.format('%.0f', till))
  redis.call('PEXPIRE', KEYS[1], 86400000)
end
if ARGV[1] == 'acquire' then
  till = math.min(till, now + ARGV[4])
  if holder ~= '' and till > now and holder ~= ARGV[2] then
    return {'taken', string.format('%.0f', till - now)}
  end
  fence = math.max(fence + 1, now, number + 1)
  holder, till = ARGV[2], now + ARGV[4]
  keep()
  return {'granted', string.format('%.0f', fence)}
end
if holder ~= ARGV[2] or fence ~= number then return {ARGV[1] == 'renew' and 'lost' or 'released', '0'} end
if ARGV[1] == 'renew' then
  till = now + ARGV[4]
  keep()
  return {'granted', string.format('%.0f', fence)}
end
holder = ''
keep()
return {'released', '0'}
";

/// A write: KEYS: entries, versions, revision, lease; ARGV: the entry, the version that is
/// replaced, the new one, the content, the fencing number, the machine, the channel, the new
/// revision, whether it only restores. Without a fencing number nobody else may have the lease.
pub(super) const PUT: &str = r"
local have = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if ARGV[9] == '0' then
  local t = redis.call('TIME')
  local now = t[1] * 1000000 + t[2]
  local l = redis.call('HMGET', KEYS[4], 'holder', 'fence', 'until')
  local taken = (l[1] or '') ~= '' and l[1] ~= ARGV[6] and tonumber(l[3]) > now
  if taken or (ARGV[5] ~= '' and ARGV[5] ~= l[2]) then return {'fenced', have} end
  if have ~= ARGV[2] then return {'other', have} end
end
if have ~= '' and tonumber(have) >= tonumber(ARGV[3]) then return {'other', have} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
local before = redis.call('GET', KEYS[3]) or ''
redis.call('SET', KEYS[3], ARGV[8])
redis.call('PUBLISH', ARGV[7], before .. ' ' .. ARGV[8] .. ' ' .. ARGV[1])
return {'written', before}
";

/// The question of every few seconds: KEYS: revision. The answer: the clock and the revision.
pub(super) const POLL: &str = r"
local t = redis.call('TIME')
return {t[1], t[2], redis.call('GET', KEYS[1]) or ''}
";

/// The first question of a connection, and whenever the revision is not the expected one: KEYS: the
/// fingerprint of the fleet's key, revision, versions; ARGV: our fingerprint. The answer: the
/// fingerprint, the clock, the revision, and the versions of all entries.
pub(super) const SURVEY: &str = r"
redis.call('SETNX', KEYS[1], ARGV[1])
local t = redis.call('TIME')
return {redis.call('GET', KEYS[1]), t[1], t[2], redis.call('GET', KEYS[2]) or '',
  redis.call('HGETALL', KEYS[3])}
";

/// That question with a sign of life: KEYS: revision, members; ARGV: the machine's number, its
/// holder, what it says (nothing: it leaves), how long a number is kept, whether to list all. The
/// answer: the clock, the revision, whether another machine has the number, what was there, and the
/// list. A number that was not seen for so long is free.
pub(super) const SIGN: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local before = redis.call('HGET', KEYS[2], ARGV[1]) or ''
local function is_old(entry)
  return now - (tonumber(string.match(entry, '^%d+')) or 0) >= tonumber(ARGV[4])
end
local outcome = 'taken'
if before == '' or is_old(before) or string.match(before, '^%d+ (%x+) ') == ARGV[2] then
  outcome = 'signed'
  if ARGV[3] == '' then
    redis.call('HDEL', KEYS[2], ARGV[1])
  else
    redis.call('HSET', KEYS[2], ARGV[1],
      string.format('%.0f', now) .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
  end
end
local there = {}
if ARGV[5] == '1' then
  local all = redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    if is_old(all[i + 1]) then
      redis.call('HDEL', KEYS[2], all[i])
    else
      there[#there + 1] = all[i]
      there[#there + 1] = all[i + 1]
    end
  end
end
return {t[1], t[2], redis.call('GET', KEYS[1]) or '', outcome, before, there}
";
