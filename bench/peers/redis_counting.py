# Counts jobs with prometheus-distributed-client on a Redis, or with client_python in
# files of a directory: "pdc PORT" or "files DIRECTORY". Both take the same calls, as
# told by the lines of standard input, each of which is answered with a number:
#   inc N           N increments; how many seconds they took
#   observe N       N observations of a histogram; likewise
#   pace RATE TIME  increments for so many seconds at a rate, or at the one that can
#                   be had if that is less; how many
#   fill N          increments of N series of a counter of their own, once each; seconds
#   merge           an exposition; the seconds that it took
#   write FILE      the exposition in that file; likewise
import gc
import os
import sys
import time

KIND, WHERE = sys.argv[1:]
if KIND == "files":
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = WHERE

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest  # noqa: E402

REGISTRY = CollectorRegistry()
if KIND == "pdc":
    from prometheus_distributed_client import setup
    from prometheus_distributed_client.redis import Counter, Histogram  # noqa: F811
    from redis import Redis

    setup(redis=Redis(host="127.0.0.1", port=int(WHERE)), redis_prefix="bench")

QUEUES = ["queue-%02d" % n for n in range(20)]
# Powers of two: their sums are exact in any order and in any arithmetic.
SECONDS = [2.0**n for n in range(-8, 4)]
JOBS = Counter("jobs", "Jobs.", ["queue"], registry=REGISTRY)
DURATIONS = Histogram("job_seconds", "How long jobs took.", ["queue"], registry=REGISTRY)
PARTS = Counter("parts", "Parts of jobs.", ["part"], registry=REGISTRY)


def inc(many):
    for n in range(int(many)):
        JOBS.labels(QUEUES[n % 20]).inc()


def observe(many):
    for n in range(int(many)):
        DURATIONS.labels(QUEUES[n % 20]).observe(SECONDS[n % 12])


def fill(many):
    for n in range(int(many)):
        PARTS.labels("part-%05d" % n).inc()


def pace(rate, seconds):
    done, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < float(seconds):
        early = done / float(rate) - passed
        if early > 0:
            time.sleep(early)
            continue
        JOBS.labels(QUEUES[done % 20]).inc()
        done += 1
    return done


def merge():
    return generate_latest(REGISTRY)


def write(path):
    with open(path, "wb") as f:
        f.write(merge())


for line in sys.stdin:
    command, *arguments = line.split()
    gc.collect()  # what was done before is not this command's to pay for
    began = time.perf_counter()
    said = {"inc": inc, "observe": observe, "fill": fill, "pace": pace, "merge": merge, "write": write}[command](*arguments)
    print(said if command == "pace" else time.perf_counter() - began, flush=True)
