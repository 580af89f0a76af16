// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What a backend of the lab does with tunnels: takes the outer headers off IPIP (RFC 2003, RFC 4213,
// RFC 2473), GRE without options (RFC 2784) and GUE variant 0 on port 6080, with or without a hop
// list, and counts them by kind. All else passes.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// A kind is a carrier plus what is in what.
enum what { k4in4, k6in4, k4in6, k6in6, k_whats };
enum carrier { k_ipip = 0, k_gre = k_whats, k_gue = 2 * k_whats, k_kinds = 3 * k_whats };

#define GUE_PORT 6080

struct gue {
  __u8 version_and_length;  // version 2 bits, control 1, words of the hop list 5
  __u8 protocol;
  __be16 flags;
};

struct gre {
  __be16 flags;
  __be16 type;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, k_kinds);
  __type(key, __u32);
  __type(value, __u64);
} decapsulated SEC(".maps");

static __always_inline int take_off(struct xdp_md *ctx, __u32 kind, __u32 outer_bytes) {
  struct ethhdr saved;
  const void *data = (const void *)(long)ctx->data;
  if (data + sizeof(saved) > (const void *)(long)ctx->data_end) return XDP_DROP;
  __builtin_memcpy(&saved, data, sizeof(saved));
  saved.h_proto = kind % 2 == 0 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
  if (bpf_xdp_adjust_head(ctx, (int)outer_bytes)) return XDP_DROP;
  void *moved = (void *)(long)ctx->data;
  if (moved + sizeof(saved) > (void *)(long)ctx->data_end) return XDP_DROP;
  __builtin_memcpy(moved, &saved, sizeof(saved));
  __u64 *count = bpf_map_lookup_elem(&decapsulated, &kind);
  if (count) __sync_fetch_and_add(count, 1);
  return XDP_PASS;
}

// `what` is k4in4 or k4in6, by the outer header, which ends at `rest`.
static __always_inline int take_apart(struct xdp_md *ctx, __u32 what, __u8 protocol,
                                      const void *rest, const void *end, __u32 outer_bytes) {
  if (protocol == IPPROTO_IPIP) return take_off(ctx, k_ipip + what, outer_bytes);
  if (protocol == IPPROTO_IPV6) return take_off(ctx, k_ipip + what + 1, outer_bytes);
  if (protocol == IPPROTO_GRE) {
    const struct gre *gre = rest;
    if ((const void *)(gre + 1) > end || gre->flags) return XDP_PASS;
    if (gre->type == bpf_htons(ETH_P_IPV6)) what += 1;
    else if (gre->type != bpf_htons(ETH_P_IP)) return XDP_PASS;
    return take_off(ctx, k_gre + what, outer_bytes + sizeof(*gre));
  }
  if (protocol == IPPROTO_UDP) {
    const struct udphdr *udp = rest;
    const struct gue *gue = (const void *)(udp + 1);
    if ((const void *)(gue + 1) > end || udp->dest != bpf_htons(GUE_PORT)) return XDP_PASS;
    if (gue->version_and_length >= 0x20 || gue->flags) return XDP_PASS;
    if (gue->protocol == IPPROTO_IPV6) what += 1;
    else if (gue->protocol != IPPROTO_IPIP) return XDP_PASS;
    return take_off(ctx, k_gue + what,
                    outer_bytes + sizeof(*udp) + sizeof(*gue) + gue->version_and_length * 4);
  }
  return XDP_PASS;
}

SEC("xdp")
int decapsulate(struct xdp_md *ctx) {
  const void *data = (const void *)(long)ctx->data;
  const void *end = (const void *)(long)ctx->data_end;
  const struct ethhdr *ethernet = data;
  if ((const void *)(ethernet + 1) > end) return XDP_PASS;
  if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
    const struct iphdr *ip = (const void *)(ethernet + 1);
    if ((const void *)(ip + 1) > end || ip->ihl != 5) return XDP_PASS;
    return take_apart(ctx, k4in4, ip->protocol, ip + 1, end, sizeof(*ip));
  }
  if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
    const struct ipv6hdr *ip = (const void *)(ethernet + 1);
    if ((const void *)(ip + 1) > end) return XDP_PASS;
    return take_apart(ctx, k4in6, ip->nexthdr, ip + 1, end, sizeof(*ip));
  }
  return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
