-- For wrk: paces each connection if it is told to, and says the result as one JSON object.
-- Arguments after `--`: mean pause of a connection between two requests in ms (0: none).
local pause_ms = 0

function init(args)
  pause_ms = tonumber(args[1] or "0")
  math.randomseed(os.time())
  if pause_ms > 0 then
    -- Random, so that the connections do not send in step.
    delay = function() return math.random(0, 2 * pause_ms) end
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "errors": {"connect": %d, "read": %d, '
      .. '"write": %d, "status": %d, "timeout": %d}}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
