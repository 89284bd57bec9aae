# Merges a directory as client_python's documentation says: once for each line on
# standard input. A line "time" is answered with the seconds that it took, a line
# "write FILE" with the exposition in that file.
import gc
import sys
import time

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector


def merge(directory):
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=directory)
    return generate_latest(registry)


for line in sys.stdin:
    command, _, path = line.strip().partition(" ")
    gc.collect()  # what the last merge left is not this one's to pay for
    began = time.perf_counter()
    text = merge(sys.argv[1])
    took = time.perf_counter() - began
    if command == "write":
        with open(path, "wb") as f:
            f.write(text)
    print(took, flush=True)
