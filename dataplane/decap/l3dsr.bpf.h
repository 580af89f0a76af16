// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// L3DSR: packets to this host whose DSCP stands for a VIP get the VIP back
// (docs/encapsulations.md).
//
// They come from the clients' addresses, so no list of balancers applies.
#ifndef GUIDEWAY_DATAPLANE_DECAP_L3DSR_BPF_H_
#define GUIDEWAY_DATAPLANE_DECAP_L3DSR_BPF_H_

#include "dataplane/decap/headers.bpf.h"

static __always_inline const struct gw_decap_l3dsr* vip_of(__u32 slot) {
  if (!l3dsr_enabled) return 0;
  const struct gw_decap_l3dsr* entry = bpf_map_lookup_elem(&l3dsr, &slot);
  return entry && entry->present ? entry : 0;
}

// The transport checksum covers the address. Of what it is unknown nothing is to be changed.
static __always_inline int fix_transport(__u8 protocol, void* transport, void* end,
                                         const __be32* before, const __be32* after, int words) {
  if (protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = transport;
    if ((void*)(tcp + 1) > end) return GW_DECAP_bad_l3dsr;
    tcp->check = replaced(tcp->check, before, after, words);
  } else if (protocol == IPPROTO_UDP) {
    struct udphdr* udp = transport;
    if ((void*)(udp + 1) > end) return GW_DECAP_bad_l3dsr;
    update_udp(udp, before, after, words);
  } else if (protocol == IPPROTO_ICMPV6 && words == 4) {
    struct icmp_header* icmp = transport;
    if ((void*)(icmp + 1) > end) return GW_DECAP_bad_l3dsr;
    icmp->checksum = replaced(icmp->checksum, before, after, words);
  }
  return GW_DECAP_l3dsr;
}

static __always_inline int restore4(struct iphdr* ip, void* end,
                                    const struct gw_decap_l3dsr* entry) {
  __be32 before[2] = {ip->daddr, 0}, after[2] = {entry->vip.words[3], 0};
  if (ip->ihl < 5) return GW_DECAP_bad_l3dsr;
  if (!(ip->frag_off & bpf_htons(IPV4_OFFSET))) {
    void* transport = (void*)ip + (ip->ihl & 0xf) * 4;
    int verdict = fix_transport(ip->protocol, transport, end, before, after, 1);
    if (verdict != GW_DECAP_l3dsr) return verdict;
  }
  __builtin_memcpy(&before[1], ip, 4);  // with the type of service
  ip->tos &= 3;
  __builtin_memcpy(&after[1], ip, 4);
  ip->check = replaced(ip->check, before, after, 2);
  ip->daddr = after[0];
  return GW_DECAP_l3dsr;
}

static __always_inline int restore6(struct ipv6hdr* ip, void* end,
                                    const struct gw_decap_l3dsr* entry) {
  __be32 before[4], after[4];
  __builtin_memcpy(before, &ip->daddr, 16);
  __builtin_memcpy(after, &entry->vip, 16);
  __u8 protocol = ip->nexthdr;
  void* transport = ip + 1;
  if (protocol == IPPROTO_FRAGMENT) {
    struct ipv6_fragment* fragment = transport;
    if ((void*)(fragment + 1) > end) return GW_DECAP_bad_l3dsr;
    // Later fragments have no checksum.
    protocol = fragment->offset & bpf_htons(0xfff8) ? IPPROTO_NONE : fragment->next;
    transport = fragment + 1;
  } else if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_ICMPV6) {
    return GW_DECAP_not_ours;
  }
  int verdict = fix_transport(protocol, transport, end, before, after, 4);
  if (verdict != GW_DECAP_l3dsr) return verdict;
  ip->priority = 0;
  ip->flow_lbl[0] &= 0x3f;  // the rest of the DSCP; ECN and the flow label stay
  __builtin_memcpy(&ip->daddr, after, 16);
  return GW_DECAP_l3dsr;
}

#endif  // GUIDEWAY_DATAPLANE_DECAP_L3DSR_BPF_H_
