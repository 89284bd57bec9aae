# Forked workers that count with client_ruby's DirectFileStore.
#
#     directfile.rb LIFETIMES
require "prometheus/client"
require "prometheus/client/data_stores/direct_file_store"
require_relative "forks"

Prometheus::Client.config.data_store =
  Prometheus::Client::DataStores::DirectFileStore.new(dir: ENV.fetch("PROMETHEUS_MULTIPROC_DIR"))
registry = Prometheus::Client.registry
ORDERS = registry.counter(:shop_orders_total, docstring: "Orders taken.")
AMOUNT = registry.histogram(:shop_order_amount_euros, docstring: "What an order came to.", buckets: [5, 10, 20, 50])

fork_workers(Integer(ARGV[0])) do
  ORDERS.increment
  AMOUNT.observe(7.5)
end
