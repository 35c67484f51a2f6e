-- bench/traffic.lua, with pauses: each connection waits that long on average before a request, by
-- chance more or less, so that the rate is that of many visitors and not that of a metronome.

dofile("bench/traffic.lua")

local init_traffic, pause_ms = init, 0

function init(args)
  init_traffic(args)
  pause_ms = tonumber(args[2])
end

function delay()
  return math.random() * 2 * pause_ms
end
