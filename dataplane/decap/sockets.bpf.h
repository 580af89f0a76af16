// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Whether this host has the socket that an inner packet belongs to.
#ifndef GUIDEWAY_DATAPLANE_DECAP_SOCKETS_BPF_H_
#define GUIDEWAY_DATAPLANE_DECAP_SOCKETS_BPF_H_

#include "dataplane/decap/headers.bpf.h"

enum owner { OWNER_HERE, OWNER_NEXT_TCP, OWNER_NEXT_ICMP, OWNER_NEXT_UDP };

// What the program reads of the kernel's sockets; found by name when it is loaded (CO-RE).
struct sock_common {
  __u32 skc_tw_snd_nxt;
} __attribute__((preserve_access_index));

struct inet_timewait_sock {
  struct sock_common __tw_common;
} __attribute__((preserve_access_index));

struct tcp_timewait_sock {
  struct inet_timewait_sock tw_sk;
} __attribute__((preserve_access_index));

#define TIME_WAIT_WINDOW (1 << 20)

// A client's port may be in use again within a minute, for a connection of another backend. What
// belongs to the closed one acknowledges the end of what this host had sent.
static __always_inline int in_closed_connection(struct bpf_sock* socket, struct tcphdr* tcp) {
  struct tcp_timewait_sock* closed = bpf_skc_to_tcp_timewait_sock(socket);
  if (!closed || !tcp) return 0;
  return closed->tw_sk.__tw_common.skc_tw_snd_nxt - bpf_ntohl(tcp->ack_seq) < TIME_WAIT_WINDOW;
}

// A listening socket owns the ACK that carries one of its syncookies (`ip` and `tcp`, if they are
// given), one in TIME_WAIT what belongs to its connection; any other owns all, also a request that
// waits for its ACK.
static __always_inline int has_socket(struct xdp_md* ctx, struct bpf_sock_tuple* tuple,
                                      __u32 tuple_bytes, void* ip, __u32 ip_bytes,
                                      struct tcphdr* tcp) {
  struct bpf_sock* socket = bpf_skc_lookup_tcp(ctx, tuple, tuple_bytes, BPF_F_CURRENT_NETNS, 0);
  if (!socket) return 0;
  int own = 1;
  if (socket->state == BPF_TCP_TIME_WAIT) {
    own = in_closed_connection(socket, tcp);
  } else if (socket->state == BPF_TCP_LISTEN) {
    own = tcp && bpf_tcp_check_syncookie(socket, ip, ip_bytes, tcp, sizeof(*tcp)) == 0;
  }
  bpf_sk_release(socket);
  return own;
}

// A socket that is not connected takes every client's packets, so all that can be known is that
// there is none at all.
static __always_inline enum owner udp_owner(struct xdp_md* ctx, struct bpf_sock_tuple* tuple,
                                            __u32 tuple_bytes) {
  struct bpf_sock* socket = bpf_sk_lookup_udp(ctx, tuple, tuple_bytes, BPF_F_CURRENT_NETNS, 0);
  if (!socket) return OWNER_NEXT_UDP;
  bpf_sk_release(socket);
  return OWNER_HERE;
}

// The tuple of what comes from a client; of what an error quotes, in reverse.
static __always_inline void fill4(struct bpf_sock_tuple* tuple, const struct iphdr* ip,
                                  const struct ports* ports, int quoted) {
  tuple->ipv4.saddr = quoted ? ip->daddr : ip->saddr;
  tuple->ipv4.daddr = quoted ? ip->saddr : ip->daddr;
  tuple->ipv4.sport = quoted ? ports->destination : ports->source;
  tuple->ipv4.dport = quoted ? ports->source : ports->destination;
}

static __always_inline void fill6(struct bpf_sock_tuple* tuple, const struct ipv6hdr* ip,
                                  const struct ports* ports, int quoted) {
  __builtin_memcpy(tuple->ipv6.saddr, quoted ? &ip->daddr : &ip->saddr, 16);
  __builtin_memcpy(tuple->ipv6.daddr, quoted ? &ip->saddr : &ip->daddr, 16);
  tuple->ipv6.sport = quoted ? ports->destination : ports->source;
  tuple->ipv6.dport = quoted ? ports->source : ports->destination;
}

// What cannot be told is ours: other protocols, fragments, options in quotes, cut headers.
static __always_inline enum owner owner4(struct xdp_md* ctx, struct iphdr* ip, void* end) {
  struct bpf_sock_tuple tuple = {};
  if (ip->frag_off & bpf_htons(IPV4_FRAGMENT) || ip->ihl != 5) return OWNER_HERE;
  if (ip->protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = (void*)(ip + 1);
    if ((void*)(tcp + 1) > end || (tcp->syn && !tcp->ack)) return OWNER_HERE;
    fill4(&tuple, ip, (const struct ports*)tcp, 0);
    return has_socket(ctx, &tuple, sizeof(tuple.ipv4), ip, sizeof(*ip), tcp) ? OWNER_HERE
                                                                             : OWNER_NEXT_TCP;
  }
  if (ip->protocol == IPPROTO_UDP) {
    struct udphdr* udp = (void*)(ip + 1);
    if ((void*)(udp + 1) > end) return OWNER_HERE;
    fill4(&tuple, ip, (const struct ports*)udp, 0);
    return udp_owner(ctx, &tuple, sizeof(tuple.ipv4));
  }
  if (ip->protocol == IPPROTO_ICMP) {
    struct icmp_header* icmp = (void*)(ip + 1);
    struct iphdr* quote = (void*)(icmp + 1);
    struct ports* ports = (void*)(quote + 1);
    if ((void*)(ports + 1) > end || quote->ihl != 5 || quote->protocol != IPPROTO_TCP ||
        quote->frag_off & bpf_htons(IPV4_OFFSET)) {
      return OWNER_HERE;
    }
    if (icmp->type != ICMP_UNREACHABLE && icmp->type != ICMP_TIME_EXCEEDED &&
        icmp->type != ICMP_PARAMETER_PROBLEM) {
      return OWNER_HERE;
    }
    fill4(&tuple, quote, ports, 1);
    return has_socket(ctx, &tuple, sizeof(tuple.ipv4), 0, 0, 0) ? OWNER_HERE : OWNER_NEXT_ICMP;
  }
  return OWNER_HERE;
}

static __always_inline enum owner owner6(struct xdp_md* ctx, struct ipv6hdr* ip, void* end) {
  struct bpf_sock_tuple tuple = {};
  if (ip->nexthdr == IPPROTO_TCP) {
    struct tcphdr* tcp = (void*)(ip + 1);
    if ((void*)(tcp + 1) > end || (tcp->syn && !tcp->ack)) return OWNER_HERE;
    fill6(&tuple, ip, (const struct ports*)tcp, 0);
    return has_socket(ctx, &tuple, sizeof(tuple.ipv6), ip, sizeof(*ip), tcp) ? OWNER_HERE
                                                                             : OWNER_NEXT_TCP;
  }
  if (ip->nexthdr == IPPROTO_UDP) {
    struct udphdr* udp = (void*)(ip + 1);
    if ((void*)(udp + 1) > end) return OWNER_HERE;
    fill6(&tuple, ip, (const struct ports*)udp, 0);
    return udp_owner(ctx, &tuple, sizeof(tuple.ipv6));
  }
  if (ip->nexthdr == IPPROTO_ICMPV6) {
    struct icmp_header* icmp = (void*)(ip + 1);
    struct ipv6hdr* quote = (void*)(icmp + 1);
    struct ports* ports = (void*)(quote + 1);
    if ((void*)(ports + 1) > end || icmp->type == 0 || icmp->type > ICMPV6_LAST_ERROR ||
        quote->nexthdr != IPPROTO_TCP) {
      return OWNER_HERE;
    }
    fill6(&tuple, quote, ports, 1);
    return has_socket(ctx, &tuple, sizeof(tuple.ipv6), 0, 0, 0) ? OWNER_HERE : OWNER_NEXT_ICMP;
  }
  return OWNER_HERE;
}

#endif  // GUIDEWAY_DATAPLANE_DECAP_SOCKETS_BPF_H_
