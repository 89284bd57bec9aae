"""Tasks of a shop, counted with stock client_python in the prefork pool's
processes. SQLite serves as broker and keeps the results, so that nothing else has
to run."""
import os
import time

from celery import Celery
from prometheus_client import Counter, Gauge, Histogram

data = os.environ.get("SHOP_DATA", "/tmp/shop-celery")
os.makedirs(data, exist_ok=True)

app = Celery("tasks", broker=f"sqla+sqlite:///{data}/queue.db", backend=f"db+sqlite:///{data}/results.db")
app.conf.update(
    broker_connection_retry_on_startup=True,
    # Processes of the pool are replaced all the time.
    worker_concurrency=4,
    worker_max_tasks_per_child=20,
    worker_prefetch_multiplier=8,
)

TASKS = Counter("shop_tasks", "Tasks done.", ["task"])
AMOUNT = Histogram("shop_invoice_amount_euros", "What an invoice came to.", buckets=(5, 10, 20, 50))
PROCESS_TASKS = Gauge("shop_process_tasks", "Tasks done by each process, dead ones included.", multiprocess_mode="all")
BUSY = Gauge("shop_processes_used", "Living processes that have done a task.", multiprocess_mode="livesum")


def done(task):
    TASKS.labels(task).inc()
    PROCESS_TASKS.inc()
    BUSY.set(1)
    return os.getpid()


@app.task
def invoice(amount):
    time.sleep(0.03)  # what the work takes
    AMOUNT.observe(amount)
    return done("invoice")


@app.task
def remind():
    return done("remind")
