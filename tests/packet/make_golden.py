"""Writes the golden packets: packet in -> verdict, packet out, counters. All bytes come from scapy.

Usage: make_golden.py OUTPUT ORACLE_DIRECTORY
The output is read by golden_test.cc beside this file; first the tables, then the cases:
  secret TEXT
  backend INDEX ENCAPSULATION OUTER_SOURCE|- ADDRESS PORT MTU DESTINATION_MAC SOURCE_MAC
      GUE_PORT GUE_HOP_LIST GUE_ZERO_CHECKSUM6 SOURCE_FLOW_BITS DSCP VLAN   (on the same line)
  pool INDEX BACKEND|nobody PREVIOUS_BACKEND|nobody
  pool_by_source INDEX BITS_IPV4 BITS_IPV6 BACKEND ...      (maglev-source: the slots' owners)
  vip INDEX ADDRESS PORT tcp|udp POOL MAX_SEGMENT_SIZE
  quic_lb VIP CONFIG_ID SERVER_ID_BYTES NONCE_BYTES KEY|-
  server_id POOL HEX BACKEND
  case NAME
  headroom BYTES                          (128 if not given)
  fragments track|hash3|drop              (track if not given)
  limit REPLIES                           (of each kind that are sent back; no limit if not given)
  packet HEX
  expect forward PORT HEX | expect fragments PORT HEX ... | expect answer HEX | expect to_kernel | expect hold | expect drop REASON
  counters NAME=VALUE ...                 (all that are not 0, over the case)
"""
import sys

from golden_world import lines, server_id_tables, tables  # first: it quiets scapy and finds the oracle
from golden_cases import (forward_cases, second_chance_cases, l3dsr_cases, vlan_cases, kernel_cases,
                          drop_cases)
from golden_fragments import arriving_fragment_cases
from golden_icmp import (echo_cases, icmp_drop_cases, icmp_kernel_cases, icmp_error_cases)
from golden_schedulers import source_cases
from golden_mtu import (too_big_cases, fragment_cases, mss_cases, limit_cases)
from golden_quic import quic_cases, server_ids

tables()
server_id_tables(server_ids)
forward_cases()
second_chance_cases()
l3dsr_cases()
vlan_cases()
kernel_cases()
drop_cases()
echo_cases()
icmp_drop_cases()
icmp_kernel_cases()
icmp_error_cases()
too_big_cases()
fragment_cases()
mss_cases()
limit_cases()
quic_cases()
arriving_fragment_cases()
source_cases()
with open(sys.argv[1], "w", encoding="ascii") as out_file:
    out_file.write("\n".join(lines) + "\n")
