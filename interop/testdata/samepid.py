# Counts with client_python in processes that all have the same pid, one after the
# other. Each exits or kills itself when it has counted what it is told to, so what
# is counted is known without a doubt. Wants a pid namespace of its own.
#
#     samepid.py ROUNDS
import os
import random
import signal
import sys
import time
import traceback

from prometheus_client import Counter, Gauge, Histogram

PID = 4321


def count(n, pause):
    things = Counter("things", "Things counted.")
    size = Histogram("thing_size", "How large.", buckets=(1, 2))
    processes = Gauge("processes", "Living processes.", multiprocess_mode="livesum")
    processes.set(1)
    for _ in range(n):
        things.inc()
        size.observe(1)
        time.sleep(pause)


def fork():
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(PID - 1))
    return os.fork()


random.seed(1)
pids, acknowledged = set(), 0
rounds = int(sys.argv[1])
for _ in range(rounds):
    n, pause, killed = random.randint(1, 20), random.random() * 0.001, random.random() < 0.5
    child = fork()
    if child == 0:
        try:
            count(n, pause)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    pids.add(child)
    _, status = os.waitpid(child, 0)
    if status not in (0, signal.SIGKILL):
        sys.exit(f"a process failed: {status}")
    acknowledged += n
    print(f"acknowledged={acknowledged}", flush=True)
    time.sleep(random.choice((0, 0, 0.001, 0.01, 0.03)))
print(f"end acknowledged={acknowledged} lifetimes={rounds} pids={len(pids)}", flush=True)
