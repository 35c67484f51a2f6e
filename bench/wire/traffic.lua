-- The requests that wrk sends: the numbered sequence of bench/wire/traffic.py in Lua, because wrk
-- makes its requests in Lua. Both must make exactly the same bytes.

local CARTS, PRODUCTS, PRICES = 10007, 500, 100000
local REPEAT_AFTER = 5002
local COLOURS = {"Blue", "Grüne", "Off-white", "Dark grey", "Rosé"}
local THINGS = {"socks", "rain jacket, size M", "Söckchen", "coffee mug (0.3 l)", "USB-C cable 2 m"}

local threads = {}
number = 0 -- The next request's; global, so that `done` can ask each thread for it.

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  number = tonumber(args[1])
end

local function cart_id(cart)
  return string.format("%08x-cafe-4000-8000-%012x", cart * 2654435761 % 4294967296, cart)
end

local function head(cookie, length)
  return "POST /items HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" .. cookie
    .. "Content-Length: " .. length .. "\r\n\r\n"
end

function request()
  local n = number
  number = n + 1
  local pair = n
  if n % 5 == 4 and n >= REPEAT_AFTER then pair = n - REPEAT_AFTER end
  local cart = pair % CARTS
  local product = (math.floor(pair / CARTS) + cart) % PRODUCTS
  local cookie, member = "", ""
  if n % 10 == 1 then
    member = ', "cart_id": "' .. cart_id(cart) .. '"'
  elseif n % 10 ~= 0 then
    cookie = "Cookie: theme=dark; cart_id=" .. cart_id(cart) .. "\r\n"
  end
  local body = '{"product_id": "sku-' .. product .. '", "name": "' .. COLOURS[product % 5 + 1] .. " "
    .. THINGS[math.floor(product / 5) % 5 + 1] .. '", "price": ' .. n * 7919 % PRICES .. member .. "}"
  return head(cookie, #body) .. body
end

function done(summary, latency)
  local next_number = 0
  for _, thread in ipairs(threads) do
    next_number = math.max(next_number, thread:get("number"))
  end
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"next_number": %d, "answered": %d, "took_us": %d, "not_ok": %d, "broken": %d,'
      .. ' "p50_us": %d, "p90_us": %d, "p99_us": %d, "p999_us": %d, "max_us": %d}\n',
    next_number, summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9), latency.max))
end
