//! What runs at the engine in one step, as in [`super::super::model`], which the interleavings are
//! tried on.

/// A grant, a renewal, the end of a lease: KEYS: the lease; ARGV: the act, the machine, the fencing
/// number or the highest number that the machine has seen, the duration. No grant lasts longer than
/// that: where the clock went back, what is left of it is made shorter, and kept so.
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
  local is_long = till > now + ARGV[4]
  till = math.min(till, now + ARGV[4])
  if holder ~= '' and till > now and holder ~= ARGV[2] then
    if is_long then keep() end
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
/// revision, whether it only restores, the duration of a lease, further words of the message.
/// Without a fencing number nobody else may have the lease. The version of an entry that is there
/// no longer does not count.
pub(super) const PUT: &str = r"
local have = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then have = '' end
if ARGV[9] == '0' then
  local t = redis.call('TIME')
  local now = t[1] * 1000000 + t[2]
  local l = redis.call('HMGET', KEYS[4], 'holder', 'fence', 'until')
  local till = tonumber(l[3] or 0)
  if till > now + ARGV[10] then
    till = now + ARGV[10]
    redis.call('HSET', KEYS[4], 'until', string.format('%.0f', till))
  end
  local taken = (l[1] or '') ~= '' and l[1] ~= ARGV[6] and till > now
  if taken or (ARGV[5] ~= '' and ARGV[5] ~= l[2]) then return {'fenced', have} end
  if have ~= ARGV[2] then return {'other', have} end
end
if have ~= '' and tonumber(have) >= tonumber(ARGV[3]) then return {'other', have} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
local before = redis.call('GET', KEYS[3]) or ''
redis.call('SET', KEYS[3], ARGV[8])
redis.call('PUBLISH', ARGV[7], before .. ' ' .. ARGV[8] .. ' ' .. ARGV[1] .. ARGV[11])
return {'written', before}
";

/// Drops entries that have served: KEYS: versions, entries; ARGV: an entry and its version, and so
/// on. A later version stays. The revision stays, too: all machines drop them.
pub(super) const FORGET: &str = r"
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
return redis.call('HLEN', KEYS[2])
";

/// The question of every few seconds: KEYS: revision. The answer: the clock and the revision.
pub(super) const POLL: &str = r"
local t = redis.call('TIME')
return {t[1], t[2], redis.call('GET', KEYS[1]) or ''}
";

/// The first question of a connection, and whenever the revision is not the expected one: KEYS: the
/// fingerprint of the fleet's key, revision, versions, entries; ARGV: our fingerprint, whether it
/// becomes the fleet's if there is none. The answer: the fingerprint, the clock, the revision, and
/// the versions of all entries. What the engine has dropped of one of both keys is made good: a
/// version without its entry goes, one that is missing is read from the entry.
pub(super) const SURVEY: &str = r"
if ARGV[2] == '1' then redis.call('SETNX', KEYS[1], ARGV[1]) end
local t = redis.call('TIME')
local versions = redis.call('HGETALL', KEYS[3])
if redis.call('HLEN', KEYS[4]) * 2 ~= #versions then
  local known = {}
  for i = 1, #versions, 2 do
    known[versions[i]] = true
    if redis.call('HEXISTS', KEYS[4], versions[i]) == 0 then
      redis.call('HDEL', KEYS[3], versions[i])
    end
  end
  for _, id in ipairs(redis.call('HKEYS', KEYS[4])) do
    if not known[id] then
      local version = 0
      for _, byte in ipairs({string.byte(redis.call('HGET', KEYS[4], id), 1, 8)}) do
        version = version * 256 + byte
      end
      redis.call('HSET', KEYS[3], id, string.format('%.0f', version))
    end
  end
  versions = redis.call('HGETALL', KEYS[3])
end
return {redis.call('GET', KEYS[1]) or '', t[1], t[2], redis.call('GET', KEYS[2]) or '', versions}
";

/// The question of every few seconds with a sign of life: KEYS: revision, members, entries,
/// versions; ARGV: the machine's number, its holder, what it says (nothing: it leaves), how long a
/// number is kept, whether to list all. The answer: the clock, the revision (none if the engine has
/// dropped entries or versions), whether another machine has the number, what was there, and the
/// list. A number that was not seen for so long is free. One that was seen later than now was seen
/// now: the clock went back.
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
      local seen, rest = string.match(all[i + 1], '^(%d+)(.*)')
      if seen and tonumber(seen) > now then
        all[i + 1] = string.format('%.0f', now) .. rest
        redis.call('HSET', KEYS[2], all[i], all[i + 1])
      end
      there[#there + 1] = all[i]
      there[#there + 1] = all[i + 1]
    end
  end
end
local revision = redis.call('GET', KEYS[1]) or ''
if redis.call('HLEN', KEYS[3]) ~= redis.call('HLEN', KEYS[4]) then revision = '' end
return {t[1], t[2], revision, outcome, before, there}
";
