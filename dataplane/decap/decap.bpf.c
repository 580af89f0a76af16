// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// The backend's side of tunnels: an XDP program that takes them off, and a tc program that sends on
// what the XDP program has rewritten for a next hop. Why two: docs/decisions/0014-decap.md.
#include <linux/pkt_cls.h>

#include "dataplane/decap/congestion.bpf.h"
#include "dataplane/decap/hops.bpf.h"
#include "dataplane/decap/l3dsr.bpf.h"

#define MAX_VLAN_TAGS 2

// To the local stack.
static __always_inline int hand_over(struct xdp_md* ctx, const struct tunnel* tunnel) {
  void *data = (void*)(long)ctx->data, *end = (void*)(long)ctx->data_end;
  return take_over_mark(tunnel, data, end) ? take_off(ctx, tunnel) : GW_DECAP_congested;
}

// The inner packet: a VIP's, whole, and ours or the next hop's?
static __always_inline int open_inner(struct xdp_md* ctx, struct tunnel* tunnel) {
  void *data = (void*)(long)ctx->data, *end = (void*)(long)ctx->data_end;
  __u32 at = tunnel->inner & 0xff;
  __u32 bytes = tunnel->end - tunnel->inner;
  struct gw_decap_address vip;
  enum owner owner = OWNER_HERE;
  if (tunnel->inner >= tunnel->end) return GW_DECAP_bad_inner;
  enum hops hops = read_hops(tunnel, data, end);
  if (tunnel->inner_ipv6) {
    struct ipv6hdr* ip = data + at;
    if ((void*)(ip + 1) > end || ip->version != 6) return GW_DECAP_bad_inner;
    if (length_of(ip->payload_len) + sizeof(*ip) > bytes) return GW_DECAP_bad_inner;
    __builtin_memcpy(&vip, &ip->daddr, sizeof(vip));
    if (!bpf_map_lookup_elem(&vips, &vip)) return GW_DECAP_not_vip;
    if (hops == HOPS_LEFT) owner = owner6(ctx, ip, end);
  } else {
    struct iphdr* ip = data + at;
    if ((void*)(ip + 1) > end || ip->version != 4 || ip->ihl < 5) return GW_DECAP_bad_inner;
    __u32 total = length_of(ip->tot_len);
    if (total > bytes || total < sizeof(*ip)) return GW_DECAP_bad_inner;
    ipv4_address(&vip, ip->daddr);
    if (!bpf_map_lookup_elem(&vips, &vip)) return GW_DECAP_not_vip;
    if (hops == HOPS_LEFT) owner = owner4(ctx, ip, end);
  }
  if (hops == HOPS_BAD) return GW_DECAP_bad_hops;
  if (owner == OWNER_HERE) return hand_over(ctx, tunnel);
  int refused = to_next(ctx, tunnel);
  if (refused) return refused;
  return owner == OWNER_NEXT_TCP   ? GW_DECAP_next_hop_tcp
         : owner == OWNER_NEXT_UDP ? GW_DECAP_next_hop_udp
                                   : GW_DECAP_next_hop_icmp;
}

static __always_inline int open_tunnel(struct xdp_md* ctx, struct tunnel* tunnel) {
  const void *data = (const void*)(long)ctx->data, *end = (const void*)(long)ctx->data_end;
  if (data + tunnel->end > end) return GW_DECAP_bad_outer;
  tunnel->verdict = read_carrier(tunnel, data, end);
  if (tunnel->verdict != GW_DECAP_ipip && tunnel->verdict != GW_DECAP_gre &&
      tunnel->verdict != GW_DECAP_gue) {
    return tunnel->verdict;
  }
  return open_inner(ctx, tunnel);
}

static __always_inline int handle4(struct xdp_md* ctx, __u32 link_bytes) {
  void *data = (void*)(long)ctx->data, *end = (void*)(long)ctx->data_end;
  struct iphdr* ip = data + link_bytes;
  struct gw_decap_address own, source;
  int verdict = GW_DECAP_not_ours;
  if ((void*)(ip + 1) > end || ip->version != 4) return GW_DECAP_not_ours;
  const struct gw_decap_l3dsr* entry = vip_of(ip->tos >> 2);
  // Behind options there is something else; the port of a later fragment is none, either.
  int tunnelled = may_be_tunnel(ip->protocol, ip + 1, end);
  if (!tunnelled && !entry) return GW_DECAP_not_ours;
  ipv4_address(&own, ip->daddr);
  if (!bpf_map_lookup_elem(&locals, &own)) return GW_DECAP_not_ours;
  if (tunnelled) {
    ipv4_address(&source, ip->saddr);
    verdict = GW_DECAP_stranger;
    if (is_allowed(&source)) {
      if (ip->ihl != 5) return GW_DECAP_outer_options;
      if (ip->frag_off & bpf_htons(IPV4_FRAGMENT)) return GW_DECAP_outer_fragment;
      if (fold((__u64)bpf_csum_diff(0, 0, (__be32*)ip, sizeof(*ip), 0))) return GW_DECAP_bad_outer;
      struct tunnel tunnel = {.link_bytes = link_bytes,
                              .end = link_bytes + length_of(ip->tot_len),
                              .carrier = link_bytes + sizeof(*ip),
                              .protocol = ip->protocol};
      return open_tunnel(ctx, &tunnel);
    }
  }
  return entry ? restore4(ip, end, entry) : verdict;
}

static __always_inline int handle6(struct xdp_md* ctx, __u32 link_bytes) {
  void *data = (void*)(long)ctx->data, *end = (void*)(long)ctx->data_end;
  struct ipv6hdr* ip = data + link_bytes;
  struct gw_decap_address own, source;
  int verdict = GW_DECAP_not_ours;
  if ((void*)(ip + 1) > end || ip->version != 6) return GW_DECAP_not_ours;
  const struct gw_decap_l3dsr* entry =
      vip_of(GW_DECAP_DSCPS + (__u32)(ip->priority << 2 | ip->flow_lbl[0] >> 6));
  int tunnelled = may_be_tunnel(ip->nexthdr, ip + 1, end);
  if (!tunnelled && !entry) return GW_DECAP_not_ours;
  __builtin_memcpy(&own, &ip->daddr, sizeof(own));
  if (!bpf_map_lookup_elem(&locals, &own)) return GW_DECAP_not_ours;
  if (tunnelled) {
    __builtin_memcpy(&source, &ip->saddr, sizeof(source));
    verdict = GW_DECAP_stranger;
    if (is_allowed(&source)) {
      struct tunnel tunnel = {.link_bytes = link_bytes,
                              .end = link_bytes + (__u32)sizeof(*ip) + length_of(ip->payload_len),
                              .carrier = link_bytes + sizeof(*ip),
                              .protocol = ip->nexthdr,
                              .outer_ipv6 = 1};
      return open_tunnel(ctx, &tunnel);
    }
  }
  return entry ? restore6(ip, end, entry) : verdict;
}

static __always_inline int handle(struct xdp_md* ctx) {
  const void *data = (const void*)(long)ctx->data, *end = (const void*)(long)ctx->data_end;
  const struct ethhdr* ethernet = data;
  if ((const void*)(ethernet + 1) > end) return GW_DECAP_not_ours;
  __be16 type = ethernet->h_proto;
  __u32 bytes = sizeof(*ethernet);
#pragma unroll
  for (int i = 0; i < MAX_VLAN_TAGS; ++i) {
    if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD)) break;
    const struct vlan_tag* tag = data + bytes;
    if ((const void*)(tag + 1) > end) return GW_DECAP_not_ours;
    type = tag->ether_type;
    bytes += sizeof(*tag);
  }
  if (type == bpf_htons(ETH_P_IP)) return handle4(ctx, bytes);
  if (type == bpf_htons(ETH_P_IPV6)) return handle6(ctx, bytes);
  return GW_DECAP_not_ours;
}

SEC("xdp")
int guideway_decap(struct xdp_md* ctx) {
  int verdict = handle(ctx);
  count((__u32)verdict);
  return verdict >= GW_DECAP_bad_outer ? XDP_DROP : XDP_PASS;
}

// The neighbour of the next hop may have to be asked for first, which only this helper does.
SEC("tc")
int guideway_hops(struct __sk_buff* skb) {
  const void *data = (const void*)(long)skb->data, *end = (const void*)(long)skb->data_end;
  const struct ethhdr* ethernet = data;
  if ((const void*)(ethernet + 1) > end) return TC_ACT_UNSPEC;
  for (int i = 0; i < ETH_ALEN; ++i) {
    if (ethernet->h_source[i] != next_hop_mark[i]) return TC_ACT_UNSPEC;
  }
  // A tag is that of the link it came from; the link it leaves by puts its own.
  if (skb->vlan_present && bpf_skb_vlan_pop(skb)) return TC_ACT_SHOT;
  return (int)bpf_redirect_neigh(next_hop_ifindex, 0, 0, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
