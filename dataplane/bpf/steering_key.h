// The key of the steering program's `vips` map, shared by the BPF program (C) and its loader (C++).
#ifndef GUIDEWAY_DATAPLANE_BPF_STEERING_KEY_H_
#define GUIDEWAY_DATAPLANE_BPF_STEERING_KEY_H_

#include <linux/types.h>

#define GW_STEERING_MAX_QUEUES 64
#define GW_STEERING_MAX_VIPS 4096

struct gw_steering_key {
  __be32 address[4];  // network order; IPv4 as ::ffff:a.b.c.d
  __be16 port;        // 0: any port
  __u8 protocol;      // IPPROTO_TCP, IPPROTO_UDP; 0: the address belongs to some VIP
  __u8 zero;
};

#endif  // GUIDEWAY_DATAPLANE_BPF_STEERING_KEY_H_
