// The configuration that tests of the controller start from.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_WEB_CONFIG_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_WEB_CONFIG_H_

#include <string>

#include "lib/config/guideway.pb.h"

namespace guideway {

// A port with a static gateway, and a VIP whose pool "web" has no backends yet. Without defaults.
inline v1::Config WebConfig(uint32_t table_size) {
  v1::Config config;
  config.set_flow_hash_secret("0123456789abcdef");
  v1::Port* port = config.add_ports();
  port->set_name("eth1");
  port->mutable_static_gateway()->set_mac("02:00:00:00:00:99");
  v1::Pool* pool = config.add_pools();
  pool->set_name("web");
  pool->set_table_size(table_size);
  v1::Vip* vip = config.add_vips();
  vip->set_name("www");
  vip->set_address("192.0.2.1");
  vip->set_protocol(v1::TCP);
  vip->set_pool("web");
  return config;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_WEB_CONFIG_H_
