# Merges a directory as GitLab's prometheus-client-mmap does for a scrape: once for
# each line on standard input. A line "time" is answered with the seconds that it
# took, a line "write FILE" with the exposition in that file.
require "prometheus/client"
require "prometheus/client/formats/text"

$stdout.sync = true
$stdin.each_line do |line|
  command, path = line.strip.split(" ", 2)
  GC.start # what the last merge left is not this one's to pay for
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  text = Prometheus::Client::Formats::Text.marshal_multiprocess(ARGV[0])
  took = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
  File.binwrite(path, text) if command == "write"
  puts took
end
