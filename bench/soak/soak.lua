-- bench/wire/traffic.lua at a given rate: request n is due n / rate seconds after the first, and a
-- free connection waits until then. Each time is shifted a little at random, because visitors do not
-- come like the ticks of a clock. Requests that are due while all connections wait for answers are
-- sent afterwards, so that the average rate is kept.

dofile("bench/wire/traffic.lua")

local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } timespec_t; int clock_gettime(int, timespec_t *);")
local MONOTONIC, clock = 1, ffi.new("timespec_t")

local init_traffic, rate, begin, due = init, 0, nil, 0

local function now_s()
  ffi.C.clock_gettime(MONOTONIC, clock)
  return tonumber(clock.s) + tonumber(clock.ns) / 1e9
end

function init(args)
  init_traffic(args)
  rate = tonumber(args[2])
end

function delay()
  local now = now_s()
  begin = begin or now
  due = due + 1
  return math.max(0, (begin + (due + math.random() - 0.5) / rate - now) * 1000)
end
