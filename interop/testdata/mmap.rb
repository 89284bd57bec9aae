# Forked workers that count with GitLab's prometheus-client-mmap.
#
#     mmap.rb pid|worker LIFETIMES
require "prometheus/client"
require "prometheus/client/support/unicorn"
require_relative "forks"

if ARGV[0] == "worker" # files have the names of places, which are taken again and again
  Prometheus::Client.configuration.pid_provider = Prometheus::Client::Support::Unicorn.method(:worker_pid_provider)
end
registry = Prometheus::Client.registry
ORDERS = registry.counter(:shop_orders_total, "Orders taken.")
AMOUNT = registry.histogram(:shop_order_amount_euros, "What an order came to.", {}, [5, 10, 20, 50])
WORKERS = registry.gauge(:shop_workers, "Living workers.", {}, :livesum)

# As in an application that is loaded before it forks, the parent has files too.
WORKERS.set({}, 0)

fork_workers(Integer(ARGV[1])) do
  ORDERS.increment
  AMOUNT.observe({}, 7.5)
  WORKERS.set({}, 1)
end
