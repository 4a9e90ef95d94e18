-- wrk's side of the bench: an upload when BENCH_UPLOAD names a file, and one line of results.
local upload = os.getenv("BENCH_UPLOAD")

if upload and upload ~= "" then
  local file = assert(io.open(upload, "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  file:close()
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "BENCH requests=%d bytes=%d us=%d p50_us=%d p99_us=%d " ..
    "connect_errors=%d read_errors=%d write_errors=%d status_errors=%d timeout_errors=%d\n",
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
