// What the BPF programs (C) and the tool (C++) share: keys, values and sizes of maps, verdicts.
#ifndef GUIDEWAY_DATAPLANE_DECAP_DECAP_ABI_H_
#define GUIDEWAY_DATAPLANE_DECAP_DECAP_ABI_H_

#include <linux/types.h>

#define GW_DECAP_MAX_PREFIXES 1024
#define GW_DECAP_MAX_ADDRESSES 4096
#define GW_DECAP_MAX_PORTS 4
#define GW_DECAP_DSCPS 64

enum {
#define GW_DECAP_VERDICT(name, help) GW_DECAP_##name,
#include "dataplane/decap/verdicts.def"
#undef GW_DECAP_VERDICT
  GW_DECAP_VERDICTS
};

// Network order; IPv4 as ::ffff:a.b.c.d.
struct gw_decap_address {
  __be32 words[4];
};

struct gw_decap_prefix {
  __u32 length_bits;  // host order; of the 128 bits
  struct gw_decap_address address;
};

// What a DSCP stands for: slot DSCP for IPv4, GW_DECAP_DSCPS + DSCP for IPv6. Not present: nothing.
struct gw_decap_l3dsr {
  struct gw_decap_address vip;
  __u32 present;
};

#endif  // GUIDEWAY_DATAPLANE_DECAP_DECAP_ABI_H_
