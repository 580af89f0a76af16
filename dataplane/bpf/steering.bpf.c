// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// XDP steering: packets for VIPs go to the AF_XDP socket of their receive queue, all else to the
// kernel - also while no socket is there (the redirect's fallback is XDP_PASS).
//
// Redirected are TCP and UDP for a VIP and, for a VIP's address, what belongs to its flows or cannot
// be told apart here: fragments (whatever their ports: later ones have none), ICMP echo requests and
// errors, IP options, extension headers, truncated packets. The data plane decides about those and counts them. VLAN tags do not matter.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "dataplane/bpf/steering_key.h"

#define MAX_VLAN_TAGS 2

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, GW_STEERING_MAX_QUEUES);
  __type(key, __u32);
  __type(value, __u32);
} xsks_map SEC(".maps");

// Presence is what counts; the value is unused. Protocol 0 marks that the address is some VIP's.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, GW_STEERING_MAX_VIPS * 2);
  __type(key, struct gw_steering_key);
  __type(value, __u8);
} vips SEC(".maps");

// Packets that no socket takes although they are for a VIP: their queue has no worker. By CPU.
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} unserved SEC(".maps");

// Types of RFC 792 and RFC 4443; the kernel's own headers for them need a libc's.
enum { ICMP_UNREACHABLE = 3, ICMP_ECHO = 8, ICMP_TIME_EXCEEDED = 11, ICMP_PARAMETER_PROBLEM = 12 };
enum { ICMPV6_FIRST_ERROR = 1, ICMPV6_LAST_ERROR = 4, ICMPV6_ECHO = 128 };

struct vlan_tag {
  __be16 tci;
  __be16 ether_type;
};

struct ports {
  __be16 source;
  __be16 destination;
};

static __always_inline int to_socket(struct xdp_md *ctx) {
  const int action = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
  if (action == XDP_PASS) {
    const __u32 first = 0;
    __u64 *count = bpf_map_lookup_elem(&unserved, &first);
    if (count) ++*count;
  }
  return action;
}

// The VIP lookup of a whole TCP or UDP packet whose address is known to be a VIP's.
static __always_inline int steer_ports(struct xdp_md *ctx, struct gw_steering_key *key,
                                       const struct ports *ports, const void *end) {
  if ((const void *)(ports + 1) > end) return to_socket(ctx);
  key->port = ports->destination;
  if (bpf_map_lookup_elem(&vips, key)) return to_socket(ctx);
  key->port = 0;
  return bpf_map_lookup_elem(&vips, key) ? to_socket(ctx) : XDP_PASS;
}

// Echo requests and errors are the data plane's, all else is the kernel's: neighbour discovery, too.
static __always_inline int steer_icmp(struct xdp_md *ctx, const __u8 *type, const void *end) {
  if ((const void *)(type + 1) > end) return to_socket(ctx);
  switch (*type) {
    case ICMP_ECHO:
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER_PROBLEM:
      return to_socket(ctx);
    default:
      return XDP_PASS;
  }
}

static __always_inline int steer_icmpv6(struct xdp_md *ctx, const __u8 *type, const void *end) {
  if ((const void *)(type + 1) > end) return to_socket(ctx);
  const int error = *type >= ICMPV6_FIRST_ERROR && *type <= ICMPV6_LAST_ERROR;
  return error || *type == ICMPV6_ECHO ? to_socket(ctx) : XDP_PASS;
}

// What a fragment header announces, which only the first fragment tells for certain.
static __always_inline int steer_fragment(struct xdp_md *ctx, const __u8 *next_header,
                                          const void *end) {
  if ((const void *)(next_header + 1) > end) return to_socket(ctx);
  switch (*next_header) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_ICMPV6:
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_FRAGMENT:
    case IPPROTO_AH:
    case IPPROTO_DSTOPTS:
      return to_socket(ctx);
    default:
      return XDP_PASS;
  }
}

static __always_inline int steer_ipv4(struct xdp_md *ctx, const struct iphdr *ip,
                                      const void *end) {
  struct gw_steering_key key = {};
  if ((const void *)(ip + 1) > end) return XDP_PASS;
  key.address[2] = bpf_htonl(0xffff);
  key.address[3] = ip->daddr;
  if (!bpf_map_lookup_elem(&vips, &key)) return XDP_PASS;
  if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP && ip->protocol != IPPROTO_ICMP) {
    return XDP_PASS;
  }
  if (ip->ihl != 5 || (ip->frag_off & bpf_htons(0x3fff))) return to_socket(ctx);
  if (ip->protocol == IPPROTO_ICMP) return steer_icmp(ctx, (const __u8 *)(ip + 1), end);
  key.protocol = ip->protocol;
  return steer_ports(ctx, &key, (const struct ports *)(ip + 1), end);
}

static __always_inline int steer_ipv6(struct xdp_md *ctx, const struct ipv6hdr *ip,
                                      const void *end) {
  struct gw_steering_key key = {};
  if ((const void *)(ip + 1) > end) return XDP_PASS;
  __builtin_memcpy(key.address, &ip->daddr, sizeof(key.address));
  if (!bpf_map_lookup_elem(&vips, &key)) return XDP_PASS;
  switch (ip->nexthdr) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
      key.protocol = ip->nexthdr;
      return steer_ports(ctx, &key, (const struct ports *)(ip + 1), end);
    case IPPROTO_ICMPV6:
      return steer_icmpv6(ctx, (const __u8 *)(ip + 1), end);
    case IPPROTO_FRAGMENT:
      return steer_fragment(ctx, (const __u8 *)(ip + 1), end);
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_AH:
    case IPPROTO_DSTOPTS:
      return to_socket(ctx);
    default:
      return XDP_PASS;
  }
}

SEC("xdp")
int gw_steering(struct xdp_md *ctx) {
  const void *data = (const void *)(long)ctx->data;
  const void *end = (const void *)(long)ctx->data_end;
  const struct ethhdr *ethernet = data;
  if ((const void *)(ethernet + 1) > end) return XDP_PASS;

  __be16 ether_type = ethernet->h_proto;
  const void *payload = ethernet + 1;
#pragma unroll
  for (int i = 0; i < MAX_VLAN_TAGS; ++i) {
    if (ether_type != bpf_htons(ETH_P_8021Q) && ether_type != bpf_htons(ETH_P_8021AD)) break;
    const struct vlan_tag *tag = payload;
    if ((const void *)(tag + 1) > end) return XDP_PASS;
    ether_type = tag->ether_type;
    payload = tag + 1;
  }
  if (ether_type == bpf_htons(ETH_P_IP)) return steer_ipv4(ctx, payload, end);
  if (ether_type == bpf_htons(ETH_P_IPV6)) return steer_ipv6(ctx, payload, end);
  return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
