"""Writes metrics by instrumentor and prints its own exposition of them.

    run.py SOCKET NAMESPACE SEED
"""
import random
import sys

import redis
from instrumentor import CollectorRegistry, Counter, Gauge, Histogram
from instrumentor.exposition import ExpositionClient

connection = redis.Redis(unix_socket_path=sys.argv[1])
namespace, dice = sys.argv[2], random.Random(int(sys.argv[3]))
registry = CollectorRegistry(redis_client=connection, namespace=namespace)

texts = ["", "7", "mail", "é→😀", "a,b=c", " x "]  # what its exposition can take
jobs = Counter(name="it_jobs_total", description="Jobs.", allowed_labels=["queue", "host"])
depth = Gauge(name="it_depth", description="Depth.", allowed_labels=["queue"])
latency = Histogram(name="it_latency_seconds", description="Latency.", buckets=[0.1, 0.5, 1, 2.5, 10, 1000000.0, 1e22])
labelled = Histogram(name="it_labelled_seconds", description="With labels.", buckets=[0.25, 2, float("inf")], allowed_labels=["queue"])
for metric in (jobs, depth, latency, labelled):
    registry.register(metric)
for i in range(50):
    text = dice.choice(texts)
    jobs.inc(dice.choice([1, 2, 3]))
    jobs.inc(dice.choice([1.0, 0.5]), labels={"queue": text, "host": dice.choice("ab")})
    depth.set(dice.uniform(-10, 10), labels={"queue": text})
    depth.set(i)
    latency.observe(dice.expovariate(1))
    labelled.observe(dice.expovariate(1), labels={"queue": text})
    registry.transfer()

sys.stdout.buffer.write(ExpositionClient(connection, namespace).expose().encode())
