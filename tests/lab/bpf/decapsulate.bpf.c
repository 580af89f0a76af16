// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What an IPIP backend of the lab does with tunnels: takes the outer header off 4in4, 6in4, 4in6
// and 6in6 packets (RFC 2003, RFC 4213, RFC 2473) and counts them by kind. All else passes.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum kind { k4in4, k6in4, k4in6, k6in6, k_kinds };

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, k_kinds);
  __type(key, __u32);
  __type(value, __u64);
} decapsulated SEC(".maps");

static __always_inline int take_off(struct xdp_md *ctx, __u32 kind, int outer_bytes,
                                    __be16 inner_type) {
  struct ethhdr saved;
  const void *data = (const void *)(long)ctx->data;
  if (data + sizeof(saved) > (const void *)(long)ctx->data_end) return XDP_DROP;
  __builtin_memcpy(&saved, data, sizeof(saved));
  saved.h_proto = inner_type;
  if (bpf_xdp_adjust_head(ctx, outer_bytes)) return XDP_DROP;
  void *moved = (void *)(long)ctx->data;
  if (moved + sizeof(saved) > (void *)(long)ctx->data_end) return XDP_DROP;
  __builtin_memcpy(moved, &saved, sizeof(saved));
  __u64 *count = bpf_map_lookup_elem(&decapsulated, &kind);
  if (count) __sync_fetch_and_add(count, 1);
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
    if (ip->protocol == IPPROTO_IPIP) return take_off(ctx, k4in4, sizeof(*ip), bpf_htons(ETH_P_IP));
    if (ip->protocol == IPPROTO_IPV6) {
      return take_off(ctx, k6in4, sizeof(*ip), bpf_htons(ETH_P_IPV6));
    }
  } else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
    const struct ipv6hdr *ip = (const void *)(ethernet + 1);
    if ((const void *)(ip + 1) > end) return XDP_PASS;
    if (ip->nexthdr == IPPROTO_IPIP) return take_off(ctx, k4in6, sizeof(*ip), bpf_htons(ETH_P_IP));
    if (ip->nexthdr == IPPROTO_IPV6) {
      return take_off(ctx, k6in6, sizeof(*ip), bpf_htons(ETH_P_IPV6));
    }
  }
  return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
