"""Writes the golden packets: packet in -> verdict, packet out, counters. All bytes come from scapy.

Usage: make_golden.py OUTPUT ORACLE_DIRECTORY
The output is read by golden_test.cc beside this file; first the tables, then the cases:
  secret TEXT
  backend INDEX ENCAPSULATION OUTER_SOURCE|- ADDRESS PORT MTU DESTINATION_MAC SOURCE_MAC
      GUE_PORT GUE_HOP_LIST GUE_ZERO_CHECKSUM6 SOURCE_FLOW_BITS DSCP VLAN   (on the same line)
  pool INDEX BACKEND|nobody PREVIOUS_BACKEND|nobody
  vip INDEX ADDRESS PORT tcp|udp POOL
  case NAME
  headroom BYTES                          (128 if not given)
  fragments track|hash3|drop              (track if not given)
  packet HEX
  expect forward PORT HEX | expect answer HEX | expect to_kernel | expect hold |
      expect drop REASON
  counters NAME=VALUE ...                 (all that are not 0, over the case)
"""
import sys

from golden_world import lines, tables  # first: it quiets scapy and finds the oracle
from golden_cases import (forward_cases, second_chance_cases, l3dsr_cases, vlan_cases, kernel_cases,
                          drop_cases)
from golden_fragments import fragment_cases
from golden_icmp import (echo_cases, icmp_drop_cases, icmp_kernel_cases, icmp_error_cases)

tables()
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
fragment_cases()
with open(sys.argv[1], "w", encoding="ascii") as out_file:
    out_file.write("\n".join(lines) + "\n")
