// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What a backend of the lab does with tunnels: takes the outer headers off IPIP (RFC 2003, RFC 4213,
// RFC 2473), GRE without options (RFC 2784) and GUE variant 0 on port 6080, with or without a hop
// list; puts the VIP back into L3DSR packets, which it knows by their DSCP; and counts them by kind.
// All else passes.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// A kind is a carrier plus what is in what.
enum what { k4in4, k6in4, k4in6, k6in6, k_whats };
enum carrier { k_ipip = 0, k_gre = k_whats, k_gue = 2 * k_whats };
enum { k_l3dsr4 = 3 * k_whats, k_l3dsr6, k_kinds };

#define GUE_PORT 6080
// L3DSR_DSCP, L3DSR_VIP4 (one word) and L3DSR_VIP6 (four words, with commas) come from the compiler's
// command line, in host order.

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

static __always_inline __u16 fold(__s64 sum) {
  __u32 folded = (__u32)sum;
  folded = (folded & 0xffff) + (folded >> 16);
  folded = (folded & 0xffff) + (folded >> 16);
  return (__u16)~folded;
}

// The transport checksum covers the address, too.
static __always_inline int put_vip_back(__u32 kind, __be32 *address, __be32 *vip, __u32 bytes,
                                        __u8 protocol, void *transport, const void *end) {
  __u16 *check;
  if (protocol == IPPROTO_TCP) {
    struct tcphdr *tcp = transport;
    if ((const void *)(tcp + 1) > end) return XDP_DROP;
    check = &tcp->check;
  } else if (protocol == IPPROTO_UDP) {
    struct udphdr *udp = transport;
    if ((const void *)(udp + 1) > end) return XDP_DROP;
    check = &udp->check;
  } else {
    return XDP_PASS;
  }
  if (protocol == IPPROTO_TCP || *check) {
    *check = fold(bpf_csum_diff(address, bytes, vip, bytes, (__u16)~*check));
  }
  __builtin_memcpy(address, vip, bytes);
  __u64 *count = bpf_map_lookup_elem(&decapsulated, &kind);
  if (count) __sync_fetch_and_add(count, 1);
  return XDP_PASS;
}

static __always_inline int l3dsr4(struct iphdr *ip, const void *end) {
  __be32 vip[] = {bpf_htonl(L3DSR_VIP4)};
  ip->check = fold(bpf_csum_diff(&ip->daddr, 4, vip, 4, (__u16)~ip->check));
  return put_vip_back(k_l3dsr4, &ip->daddr, vip, 4, ip->protocol, ip + 1, end);
}

static __always_inline int l3dsr6(struct ipv6hdr *ip, const void *end) {
  __u32 words[] = {L3DSR_VIP6};
  __be32 vip[] = {bpf_htonl(words[0]), bpf_htonl(words[1]), bpf_htonl(words[2]),
                  bpf_htonl(words[3])};
  return put_vip_back(k_l3dsr6, ip->daddr.s6_addr32, vip, 16, ip->nexthdr, ip + 1, end);
}

SEC("xdp")
int decapsulate(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data;
  const void *end = (const void *)(long)ctx->data_end;
  struct ethhdr *ethernet = data;
  if ((const void *)(ethernet + 1) > end) return XDP_PASS;
  if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr *ip = (void *)(ethernet + 1);
    if ((const void *)(ip + 1) > end || ip->ihl != 5) return XDP_PASS;
    if (ip->tos >> 2 == L3DSR_DSCP) return l3dsr4(ip, end);
    return take_apart(ctx, k4in4, ip->protocol, ip + 1, end, sizeof(*ip));
  }
  if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(ethernet + 1);
    if ((const void *)(ip + 1) > end) return XDP_PASS;
    if ((ip->priority << 2 | ip->flow_lbl[0] >> 6) == L3DSR_DSCP) return l3dsr6(ip, end);
    return take_apart(ctx, k4in6, ip->nexthdr, ip + 1, end, sizeof(*ip));
  }
  return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
