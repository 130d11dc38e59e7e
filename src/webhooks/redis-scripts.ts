/**
 * The steps of a queue in Redis that must happen together, as Lua. All keys of a queue share a hash tag, so that they are
 * on one server of a Cluster.
 */

/**
 * Adds events that are not known yet. KEYS: the stream, its bytes, and a mark for each event. ARGV: how many may wait, and
 * bytes; seconds that marks and the queue are kept; the events. Returns how many found no room. The mark makes it
 * harmless to do it again, from this node or another.
 */
export const addScript = `
local length, bytes = redis.call('XLEN', KEYS[1]), tonumber(redis.call('GET', KEYS[2]) or '0')
local full = 0
for i = 3, #KEYS do
  if redis.call('SET', KEYS[i], '1', 'NX', 'EX', ARGV[3]) then
    local event = ARGV[i + 2]
    if length >= tonumber(ARGV[1]) or bytes + #event > tonumber(ARGV[2]) then
      full = full + 1
    else
      redis.call('XADD', KEYS[1], '*', 'event', event)
      length, bytes = length + 1, bytes + #event
    end
  end
end
redis.call('SET', KEYS[2], bytes, 'EX', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return full`;

/**
 * Takes entries away, to the dead letters where there is a reason. KEYS: the stream, its bytes, the dead letters. ARGV: the
 * group, a reason or "", how many dead letters are kept, the ids.
 */
export const settleScript = `
local bytes = tonumber(redis.call('GET', KEYS[2]) or '0')
for i = 4, #ARGV do
  local found = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  if found then
    local event = found[2][2]
    bytes = bytes - #event
    if ARGV[2] ~= '' then
      redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[3], '*', 'event', event, 'reason', ARGV[2])
    end
  end
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  redis.call('XDEL', KEYS[1], ARGV[i])
end
if redis.call('XLEN', KEYS[1]) == 0 then bytes = 0 end
redis.call('SET', KEYS[2], math.max(0, bytes), 'KEEPTTL')
return bytes`;

/** Takes or keeps the right to send. KEYS: the lock. ARGV: who, and for how many ms. Returns 1 where it is theirs. */
export const lockScript = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

/** Gives it back. KEYS: the lock. ARGV: who. */
export const unlockScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`;
