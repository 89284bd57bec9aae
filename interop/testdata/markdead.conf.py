# The example's configuration with the hook that client_python's documentation
# asks for.
from prometheus_client import multiprocess

workers = 4
max_requests = 50
max_requests_jitter = 10


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
