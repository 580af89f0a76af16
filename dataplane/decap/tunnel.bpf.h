// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What a tunnel packet has in front of the inner packet, and taking it off.
#ifndef GUIDEWAY_DATAPLANE_DECAP_TUNNEL_BPF_H_
#define GUIDEWAY_DATAPLANE_DECAP_TUNNEL_BPF_H_

#include "dataplane/decap/headers.bpf.h"

// Offsets count from the start of the frame.
struct tunnel {
  __u32 link_bytes;  // Ethernet header and tags: 14, 18 or 22
  __u32 end;         // of the outer packet; behind it there may be padding
  __u32 carrier;     // what follows the outer IP header
  __u32 inner;       // the inner packet
  __u32 hop_words;   // of GUE
  __u8 protocol;     // of the outer header
  __u8 outer_ipv6;
  __u8 inner_ipv6;
  __u8 verdict;  // ipip, gre or gue, or why not
};

static __always_inline int is_gue_port(__be16 port) {
  for (int i = 0; i < GW_DECAP_MAX_PORTS; ++i) {
    if (gue_ports[i] && gue_ports[i] == port) return 1;
  }
  return 0;
}

// Whether the protocol and the port are those of a tunnel, whatever its content.
static __always_inline int may_be_tunnel(__u8 protocol, const void* carrier, const void* end) {
  if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_GRE) return 1;
  const struct udphdr* udp = carrier;
  return protocol == IPPROTO_UDP && (const void*)(udp + 1) <= end && is_gue_port(udp->dest);
}

static __always_inline __u8 read_gue(struct tunnel* tunnel, const void* data, const void* end) {
  const struct udphdr* udp = data + tunnel->carrier;
  const struct gue_header* gue = (const void*)(udp + 1);
  if ((const void*)(gue + 1) > end) return GW_DECAP_bad_outer;
  __u32 udp_bytes = length_of(udp->len);
  if (udp_bytes < sizeof(*udp) + sizeof(*gue) || tunnel->carrier + udp_bytes != tunnel->end) {
    return GW_DECAP_bad_outer;
  }
  if (gue->version_and_length >> 6 == 1) {  // variant 1: an IP header, no GUE header
    __u8 version = gue->version_and_length >> 4;
    if (version != 4 && version != 6) return GW_DECAP_unknown_tunnel;
    tunnel->inner_ipv6 = version == 6;
    tunnel->inner = tunnel->carrier + sizeof(*udp);
    return GW_DECAP_gue;
  }
  if (gue->version_and_length >= 0x20 || gue->flags) return GW_DECAP_unknown_tunnel;
  if (gue->protocol != IPPROTO_IPIP && gue->protocol != IPPROTO_IPV6)
    return GW_DECAP_unknown_tunnel;
  tunnel->inner_ipv6 = gue->protocol == IPPROTO_IPV6;
  tunnel->hop_words = gue->version_and_length & 0x1f;
  tunnel->inner = tunnel->carrier + sizeof(*udp) + sizeof(*gue) + tunnel->hop_words * 4;
  return GW_DECAP_gue;
}

static __always_inline __u8 read_carrier(struct tunnel* tunnel, const void* data, const void* end) {
  if (tunnel->protocol == IPPROTO_IPIP || tunnel->protocol == IPPROTO_IPV6) {
    tunnel->inner_ipv6 = tunnel->protocol == IPPROTO_IPV6;
    tunnel->inner = tunnel->carrier;
    return GW_DECAP_ipip;
  }
  if (tunnel->protocol == IPPROTO_GRE) {
    const struct gre_header* gre = data + tunnel->carrier;
    if ((const void*)(gre + 1) > end) return GW_DECAP_bad_outer;
    if (gre->flags) return GW_DECAP_unknown_tunnel;
    if (gre->type != bpf_htons(ETH_P_IP) && gre->type != bpf_htons(ETH_P_IPV6)) {
      return GW_DECAP_unknown_tunnel;
    }
    tunnel->inner_ipv6 = gre->type == bpf_htons(ETH_P_IPV6);
    tunnel->inner = tunnel->carrier + sizeof(*gre);
    return GW_DECAP_gre;
  }
  return read_gue(tunnel, data, end);
}

// Whether tunnels from there are taken apart.
static __always_inline int is_allowed(const struct gw_decap_address* source) {
  struct gw_decap_prefix prefix = {.length_bits = 128, .address = *source};
  return bpf_map_lookup_elem(&from, &prefix) != 0;
}

static __always_inline int take_off(struct xdp_md* ctx, const struct tunnel* tunnel) {
  const void *data = (const void*)(long)ctx->data, *end = (const void*)(long)ctx->data_end;
  __u8 link[22];
  __u32 bytes = tunnel->link_bytes;
  if (data + 22 > end) return GW_DECAP_failed;  // cannot be: an IP header follows
  __builtin_memcpy(link, data, sizeof(link));
  __be16 type = tunnel->inner_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
  if (bpf_xdp_adjust_head(ctx, (int)(tunnel->inner - bytes))) return GW_DECAP_failed;
  void* moved = (void*)(long)ctx->data;
  if (moved + 22 > (void*)(long)ctx->data_end) return GW_DECAP_failed;  // likewise
  __builtin_memcpy(moved, link, 12);
  if (bytes >= 18) __builtin_memcpy(moved + 12, link + 12, 4);
  if (bytes >= 22) __builtin_memcpy(moved + 16, link + 16, 4);
  if (bytes == 14) __builtin_memcpy(moved + 12, &type, 2);
  if (bytes == 18) __builtin_memcpy(moved + 16, &type, 2);
  if (bytes == 22) __builtin_memcpy(moved + 20, &type, 2);
  return tunnel->verdict;
}

#endif  // GUIDEWAY_DATAPLANE_DECAP_TUNNEL_BPF_H_
