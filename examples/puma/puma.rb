bind "tcp://127.0.0.1:8000"
workers 4
threads 1, 4
