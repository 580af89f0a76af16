// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Marks of congestion that routers have put on the outer header go on with the inner packet, as RFC
// 6040 (section 4.2) wants it.
#ifndef GUIDEWAY_DATAPLANE_DECAP_CONGESTION_BPF_H_
#define GUIDEWAY_DATAPLANE_DECAP_CONGESTION_BPF_H_

#include "dataplane/decap/tunnel.bpf.h"

#define ECN_MASK 3  // of the traffic class; 0: the ends do not know marks
#define ECN_MARKED 3

// `first` word of either family's header, in host order.
static __always_inline __u32 ecn_of(__u32 first, __u32 ipv6) {
  return first >> (ipv6 ? 20 : 16) & ECN_MASK;
}

// 0 if the packet is to be dropped, because dropping is the only mark that it can carry.
static __always_inline int take_over_mark(const struct tunnel* tunnel, void* data, void* end) {
  __be32* outer = data + (tunnel->link_bytes & 0x1f);
  void* inner = data + (tunnel->inner & 0xff);
  if ((void*)(outer + 1) > end || inner + sizeof(struct iphdr) > end) return 1;  // cannot be
  if (ecn_of(bpf_ntohl(*outer), tunnel->outer_ipv6) != ECN_MARKED) return 1;
  __be32 before = *(__be32*)inner;
  const __u32 inside = ecn_of(bpf_ntohl(before), tunnel->inner_ipv6);
  if (inside == ECN_MARKED) return 1;
  if (inside == 0) return 0;
  __be32 after = before | bpf_htonl((__u32)ECN_MARKED << (tunnel->inner_ipv6 ? 20 : 16));
  *(__be32*)inner = after;
  if (!tunnel->inner_ipv6) {
    struct iphdr* ip = inner;
    ip->check = replaced(ip->check, &before, &after, 1);
  }
  return 1;
}

#endif  // GUIDEWAY_DATAPLANE_DECAP_CONGESTION_BPF_H_
