// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What the tool tells the programs, and what they count.
#ifndef GUIDEWAY_DATAPLANE_DECAP_MAPS_BPF_H_
#define GUIDEWAY_DATAPLANE_DECAP_MAPS_BPF_H_

// libbpf's headers need the kernel's types before them.
// clang-format off
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#include "dataplane/decap/decap_abi.h"

// Set before loading.
const volatile __be16 gue_ports[GW_DECAP_MAX_PORTS];  // unused ones are 0
const volatile __u8 l3dsr_enabled;
// The Ethernet source of frames that go from the XDP program to the tc program. It is random, so
// that nobody on the segment can have the tc program send frames.
const volatile __u8 next_hop_mark[ETH_ALEN];
const volatile __u32 next_hop_ifindex;  // where next hops are reached

// Who may send tunnel packets.
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, GW_DECAP_MAX_PREFIXES);
  __type(key, struct gw_decap_prefix);
  __type(value, __u8);
} from SEC(".maps");

// The VIPs, and this host's own addresses. Presence is what counts.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, GW_DECAP_MAX_ADDRESSES);
  __type(key, struct gw_decap_address);
  __type(value, __u8);
} vips SEC(".maps"), locals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2 * GW_DECAP_DSCPS);
  __type(key, __u32);
  __type(value, struct gw_decap_l3dsr);
} l3dsr SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, GW_DECAP_VERDICTS);
  __type(key, __u32);
  __type(value, __u64);
} gw_verdicts SEC(".maps");

static __always_inline void count(__u32 verdict) {
  __u64* counter = bpf_map_lookup_elem(&gw_verdicts, &verdict);
  if (counter) *counter += 1;
}

#endif  // GUIDEWAY_DATAPLANE_DECAP_MAPS_BPF_H_
