# Forks workers, four at a time, until so many have lived. Each counts some, then
# exits or kills itself: what is counted by then is known without a doubt. The
# parent prints the sum of the dead.
#
# count is called in each worker, once for each thing to count; slot is the number
# of the worker's place.
def fork_workers(lifetimes, &count)
  $stdout.sync = true
  slots = {}
  acknowledged = 0
  started = 0
  random = Random.new(1)
  reap = lambda do
    pid, status = Process.wait2
    slot, n = slots.delete(pid)
    raise "worker #{pid} failed: #{status}" unless status.success? || status.termsig == 9
    acknowledged += n
    puts "acknowledged=#{acknowledged}"
    slot
  end
  while started < lifetimes
    slot = slots.size < 4 ? slots.size : reap.call
    n = random.rand(1..60)
    killed = random.rand < 0.5
    pause = random.rand * 0.016
    pid = fork do
      $0 = "forks: worker[#{slot}]"
      n.times do
        count.call(slot)
        sleep pause
      end
      Process.kill(:KILL, Process.pid) if killed
    end
    slots[pid] = [slot, n]
    started += 1
  end
  reap.call until slots.empty?
  puts "end acknowledged=#{acknowledged} lifetimes=#{started}"
end
