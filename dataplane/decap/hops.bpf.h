// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Second chance: what has no socket here goes to the next hop of its list (docs/encapsulations.md).
//
// Loops are impossible: the index grows with every hop and the outer TTL falls.
#ifndef GUIDEWAY_DATAPLANE_DECAP_HOPS_BPF_H_
#define GUIDEWAY_DATAPLANE_DECAP_HOPS_BPF_H_

#include "dataplane/decap/sockets.bpf.h"
#include "dataplane/decap/tunnel.bpf.h"

enum hops { HOPS_NONE, HOPS_LEFT, HOPS_BAD };

// The bound only helps the verifier: link, IPv6 and UDP headers are 22 + 40 + 8 bytes.
#define LIST_AT(tunnel) (((tunnel)->carrier + 12) & 0x7f)

static __always_inline enum hops read_hops(const struct tunnel* tunnel, const void* data,
                                           const void* end) {
  if (tunnel->hop_words == 0) return HOPS_NONE;
  const struct hop_list* list = data + LIST_AT(tunnel);
  if ((const void*)(list + 1) > end) return HOPS_BAD;
  __u32 words = tunnel->outer_ipv6 ? 4 : 1;
  // A hop of the other family could not be put into the outer header.
  if (list->type != (tunnel->outer_ipv6 ? bpf_htons(1) : 0)) return HOPS_BAD;
  if (tunnel->hop_words != 1 + words * list->count) return HOPS_BAD;
  if (list->index > list->count) return HOPS_BAD;
  return list->index < list->count ? HOPS_LEFT : HOPS_NONE;
}

static __always_inline int to_next4(struct iphdr* ip, struct hop_list* list, void* end) {
  struct udphdr* udp = (void*)(ip + 1);
  __be32 before[4], after[4];
  const __be32* hop = (const void*)(list + 1) + ((__u32)(list->index & 0x1f)) * 4;
  if ((const void*)(hop + 1) > end || (void*)(udp + 1) > end) return GW_DECAP_bad_hops;
  if (ip->ttl <= 1) return GW_DECAP_hop_limit;
  before[0] = ip->saddr;
  before[1] = ip->daddr;
  __builtin_memcpy(&before[2], list, 4);
  __builtin_memcpy(&before[3], &ip->ttl, 4);  // with protocol and checksum
  after[0] = ip->daddr;
  after[1] = *hop;
  list->index += 1;
  __builtin_memcpy(&after[2], list, 4);
  update_udp(udp, before, after, 3);
  ip->saddr = after[0];
  ip->daddr = after[1];
  ip->ttl -= 1;
  __u16 header = ip->check;
  __builtin_memcpy(&after[3], &ip->ttl, 4);
  before[2] = before[3];
  after[2] = after[3];
  ip->check = replaced(header, before, after, 3);
  return 0;
}

static __always_inline int to_next6(struct ipv6hdr* ip, struct hop_list* list, void* end) {
  struct udphdr* udp = (void*)(ip + 1);
  __be32 before[9], after[9];
  const void* hop = (const void*)(list + 1) + ((__u32)(list->index & 0x7)) * 16;
  if (hop + 16 > end || (void*)(udp + 1) > end) return GW_DECAP_bad_hops;
  if (ip->hop_limit <= 1) return GW_DECAP_hop_limit;
  __builtin_memcpy(before, &ip->saddr, 32);
  __builtin_memcpy(&before[8], list, 4);
  __builtin_memcpy(after, &ip->daddr, 16);
  __builtin_memcpy(&after[4], hop, 16);
  list->index += 1;
  __builtin_memcpy(&after[8], list, 4);
  update_udp(udp, before, after, 9);
  __builtin_memcpy(&ip->saddr, after, 32);
  ip->hop_limit -= 1;
  return 0;
}

// Rewrites the frame for the next hop and marks it for the tc program. 0, or why it is dropped.
static __always_inline int to_next(struct xdp_md* ctx, const struct tunnel* tunnel) {
  void *data = (void*)(long)ctx->data, *end = (void*)(long)ctx->data_end;
  struct ethhdr* ethernet = data;
  struct hop_list* list = data + LIST_AT(tunnel);
  if ((void*)(ethernet + 1) > end || (void*)(list + 1) > end) return GW_DECAP_bad_hops;
  void* ip = data + (tunnel->link_bytes & 0x1f);
  int refused;
  if (tunnel->outer_ipv6) {
    if (ip + sizeof(struct ipv6hdr) > end) return GW_DECAP_bad_hops;
    refused = to_next6(ip, list, end);
  } else {
    if (ip + sizeof(struct iphdr) > end) return GW_DECAP_bad_hops;
    refused = to_next4(ip, list, end);
  }
  if (refused) return refused;
  for (int i = 0; i < ETH_ALEN; ++i) ethernet->h_source[i] = next_hop_mark[i];
  return 0;
}

#endif  // GUIDEWAY_DATAPLANE_DECAP_HOPS_BPF_H_
