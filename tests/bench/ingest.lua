-- wrk script of `python -m tests.bench.ingest`: visitors write in turn, each message with a client_id of its own.
-- Arguments: a file with one session token a line, a prefix for the client_ids, the text.
local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

function init(args)
  tokens, counter, prefix, text = {}, 0, args[2] .. "-" .. id .. "-", args[3]
  for line in io.lines(args[1]) do
    tokens[#tokens + 1] = line
  end
end

function request()
  counter = counter + 1
  local headers = {
    ["Authorization"] = "Bearer " .. tokens[counter % #tokens + 1],
    ["Content-Type"] = "application/json",
  }
  return wrk.format("POST", nil, headers, '{"client_id":"' .. prefix .. counter .. '","text":"' .. text .. '"}')
end

function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format('{"requests": %d, "seconds": %f, "failed": %d, "p99": %f}', summary.requests,
    summary.duration / 1e6, errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(99) / 1e3))
end
