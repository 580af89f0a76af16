// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What the AF_XDP driver attaches while it opens a socket: passes everything to the kernel. The
// steering program replaces it once every socket is open and the VIPs are known, so no packet is
// taken from the kernel before it can be forwarded. The driver insists on a map named xsks_map.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "dataplane/bpf/steering_key.h"

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, GW_STEERING_MAX_QUEUES);
  __type(key, __u32);
  __type(value, __u32);
} xsks_map SEC(".maps");

SEC("xdp")
int gw_placeholder(struct xdp_md *ctx) { return XDP_PASS; }

char _license[] SEC("license") = "Dual BSD/GPL";
