# A shop on Puma that counts with GitLab's prometheus-client-mmap. It knows nothing
# of promfold.
#
#     GET /order?item=pen&amount=12.5
require "uri"
require "prometheus/client"
require "prometheus/client/rack/collector"

registry = Prometheus::Client.registry
ORDERS = registry.counter(:shop_orders_total, "Orders taken.")
ORDERS_BY_ITEM = registry.counter(:shop_orders_by_item_total, "Orders taken, by item.")
AMOUNT = registry.histogram(:shop_order_amount_euros, "What an order came to.", {}, [5, 10, 20, 50])
WORKER_ORDERS = registry.gauge(:shop_worker_orders, "Orders taken by each worker, dead ones included.", {}, :all)
WORKERS = registry.gauge(:shop_workers, "Living workers that have taken an order.", {}, :livesum)

use Prometheus::Client::Rack::Collector

run lambda { |env|
  headers = { "Content-Type" => "text/plain", "X-Worker" => Process.pid.to_s }
  item, amount = URI.decode_www_form(env["QUERY_STRING"]).to_h.values_at("item", "amount")
  if env["PATH_INFO"] != "/order" || item.nil? || amount.to_f <= 0
    next [400, headers, ["try /order?item=pen&amount=12.5\n"]]
  end
  ORDERS.increment
  ORDERS_BY_ITEM.increment(item: item)
  AMOUNT.observe({}, amount.to_f)
  WORKER_ORDERS.increment({}, 1)
  WORKERS.set({}, 1)
  [200, headers, ["thank you\n"]]
}
