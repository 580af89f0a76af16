// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Headers that the kernel's own files leave out or need a libc for, and checksums.
#ifndef GUIDEWAY_DATAPLANE_DECAP_HEADERS_BPF_H_
#define GUIDEWAY_DATAPLANE_DECAP_HEADERS_BPF_H_

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "dataplane/decap/maps.bpf.h"

#define IPV4_FRAGMENT 0x3fff  // more fragments, or an offset
#define IPV4_OFFSET 0x1fff

struct vlan_tag {
  __be16 tci;
  __be16 ether_type;
};

struct gre_header {
  __be16 flags;
  __be16 type;
};

// docs/encapsulations.md, "Second chance".
struct gue_header {
  __u8 version_and_length;  // version 2 bits, control 1, words of the hop list 5
  __u8 protocol;
  __be16 flags;
};

struct hop_list {
  __be16 type;
  __u8 index;
  __u8 count;
};

struct icmp_header {
  __u8 type;
  __u8 code;
  __be16 checksum;
  __be32 rest;
};

struct ports {
  __be16 source;
  __be16 destination;
};

struct ipv6_fragment {
  __u8 next;
  __u8 reserved;
  __be16 offset;  // 13 bits, 2 reserved, M
  __be32 identification;
};

// Of RFC 792 and RFC 4443.
enum { ICMP_UNREACHABLE = 3, ICMP_TIME_EXCEEDED = 11, ICMP_PARAMETER_PROBLEM = 12 };
enum { ICMPV6_LAST_ERROR = 4 };

// A length of a header in host order, with its bound. Kernels up to 6.1 forget what they know of a
// value when its bytes are swapped, and then refuse it as an offset into the packet. The compiler
// must not see the mask, which it knows to change nothing and would leave out.
static __always_inline __u32 length_of(__be16 wire) {
  __u64 bytes = bpf_ntohs(wire);
  __asm__ volatile("%0 &= 0xffff" : "+r"(bytes));
  return (__u32)bytes;
}

static __always_inline __u16 fold(__u64 sum) {
  sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

// RFC 1624 for `words` words that change.
static __always_inline __u16 replaced(__u16 checksum, const __be32* before, const __be32* after,
                                      int words) {
  __u64 sum = (__u16)~checksum;
  for (int i = 0; i < words; ++i) sum += (__u64)(__u32)~before[i] + after[i];
  return fold(sum);
}

// A UDP checksum of 0 is none, and stays so (RFC 768).
static __always_inline void update_udp(struct udphdr* udp, const __be32* before,
                                       const __be32* after, int words) {
  if (udp->check == 0) return;
  udp->check = replaced(udp->check, before, after, words);
  if (udp->check == 0) udp->check = 0xffff;
}

static __always_inline void ipv4_address(struct gw_decap_address* address, __be32 ipv4) {
  address->words[0] = 0;
  address->words[1] = 0;
  address->words[2] = bpf_htonl(0x0000ffff);
  address->words[3] = ipv4;
}

#endif  // GUIDEWAY_DATAPLANE_DECAP_HEADERS_BPF_H_
