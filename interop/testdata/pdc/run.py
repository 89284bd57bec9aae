"""Writes metrics by a release of prometheus-distributed-client and prints its own
exposition of them.

    run.py redis SOCKET PREFIX SEED | run.py sqlite FILE SEED

With a SEED below 0 it prints nothing: beside what another release wrote, some fail.
"""
import importlib
import importlib.metadata
import random
import sys

import prometheus_client

release = importlib.metadata.version("prometheus-distributed-client")
backend, where = sys.argv[1], sys.argv[2]
seed = int(sys.argv[-1])

import prometheus_distributed_client as package

metrics = package
if backend == "redis":
    import redis

    if release == "1.2.2":
        package.set_redis_conn(unix_socket_path=where)
    else:
        connection = redis.Redis(unix_socket_path=where)
        prefix = "prefix" if release == "1.2.3" else "redis_prefix"
        package.setup(connection, **{prefix: sys.argv[3]})
        if release != "1.2.3":
            metrics = importlib.import_module("prometheus_distributed_client.redis")
else:
    package.setup(sqlite=where)
    metrics = importlib.import_module("prometheus_distributed_client.sqlite")

registry = prometheus_client.CollectorRegistry()
dice = random.Random(abs(seed))

texts = ["", "7", "mail", 'a"b\\c\nd', "é→😀<&>/", "a: b", '{"x":"y"}', "\x00\x7f", " x ", "_total:{}"]
jobs = metrics.Counter("it_jobs", "Jobs.", ["queue"], registry=registry)
two = metrics.Counter("it_two_total", "Two labels.", ["zeta", "alpha"], registry=registry)
plain = metrics.Counter("it_plain", "No labels.", registry=registry)
depth = metrics.Gauge("it_depth", "Depth.", ["queue", "host"], registry=registry)
odd = metrics.Gauge("it_odd", "Odd values.", ["k"], registry=registry)
alone = metrics.Gauge("it_things_count", "A gauge that is called like a part.", registry=registry)
size = metrics.Summary("it_size_bytes", "Sizes.", ["queue"], registry=registry)
latency = metrics.Histogram("it_latency_seconds", "Latency.", ["queue"], registry=registry)
custom = metrics.Histogram("it_custom", "Bounds of all kinds.", ["z"], buckets=(-1, 0, 1e-05, 2, 4, 1000000, 12345678.5, 1e22), registry=registry)

for _ in range(30):
    text = dice.choice(texts)
    jobs.labels(text).inc(dice.choice([1, 2, 0.1, 0, 1e-9]))
    two.labels(zeta=text, alpha=dice.choice(texts)).inc(dice.randrange(5))
    plain.inc()
    depth.labels(text, dice.choice("ab")).set(dice.uniform(-10, 10))
    depth.labels(text, "inc").inc(dice.randrange(5))
    depth.labels(text, "dec").dec(dice.randrange(5))
    alone.set(dice.randrange(-3, 3))
    size.labels(text).observe(dice.uniform(-1, 10))
    latency.labels(text).observe(dice.expovariate(1))
    custom.labels(text).observe(dice.choice([-2, 0, 1e-6, 3, 1e5, 1e7, 1e21, 1e23]))
for k, v in {"pinf": "inf", "ninf": "-inf", "nan": "nan", "big": "1e300", "tiny": "5e-324", "zero": "-0.0"}.items():
    if k != "nan" or backend == "redis":  # SQLite takes it for NULL
        odd.labels(k).set(float(v))

if seed >= 0:
    sys.stdout.buffer.write(prometheus_client.generate_latest(registry))
