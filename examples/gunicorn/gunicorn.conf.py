bind = "127.0.0.1:8000"
workers = 4
# Workers are replaced all the time, as in many a production: this is what fills
# the directory of a stock client with files of dead processes.
max_requests = 50
max_requests_jitter = 10
