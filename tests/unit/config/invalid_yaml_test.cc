// Every kind of mistake in a configuration file: the message names file, line, column and field,
// and says what is allowed.
#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/config/load.h"

namespace guideway {
namespace {

struct Case {
  const char* yaml;     // from line 2 on; line 1 is a valid flow_hash_secret
  const char* place;    // "LINE:COLUMN: field: " that the message must hold
  const char* message;  // and what must follow somewhere
};

constexpr char kSecret[] = "flow_hash_secret: 0123456789abcdef\n";

const Case kCases[] = {
    // Fields that do not exist.
    {"pool: []\n", "2:1: pool: ", "unknown field \"pool\", did you mean pools? allowed here: "},
    {"zzzzzzzzz: 1\n", "2:1: zzzzzzzzz: ", "unknown field \"zzzzzzzzz\" allowed here: flow_hash_"},
    {"pools:\n- name: web\n  weigth: 3\n", "4:3: pools[0].weigth: ", "allowed here: name, encap"},
    {"pools:\n- name: web\n  backends:\n  - {name: a, address: 10.0.0.1, wieght: 1}\n",
     "5:34: pools[0].backends[0].wieght: ", "did you mean weight?"},
    {"flow_timeouts: {tcp: 5s}\n", "2:17: flow_timeouts.tcp: ", "half_open, established"},
    {"\"\": 1\n", "2:1: ", "unknown field \"\""},
    // Wrong types.
    {"pools: 5\n", "2:8: pools: ", "\"5\" is not allowed; must be a list of at most 2048 entries"},
    {"pools: {}\n", "2:8: pools: ", "is a group of fields; must be a list"},
    {"pools: [web]\n", "2:9: pools[0]: ", "is a single value; must be a group of fields: name"},
    {"pools: [[]]\n", "2:9: pools[0]: ", "is a list; must be a group of fields"},
    {"pools: [~]\n", "2:9: pools[0]: ", "has no value; must be a group of fields"},
    {"flow_timeouts: 5s\n", "2:16: flow_timeouts: ", "is a single value; must be a group"},
    {"flow_timeouts:\n", "2:1: flow_timeouts: ", "has no value; must be a group"},
    {"vips:\n- protocol: udp\n  flow_timeouts: {closing: 5s}\n",
     "4:19: vips[0].flow_timeouts.closing: ", "means something only with protocol: tcp"},
    {"vips:\n- protocol: tcp\n  flow_timeouts: {udp: 5s}\n",
     "4:19: vips[0].flow_timeouts.udp: ", "means something only with protocol: udp"},
    {"vips:\n- name: [a]\n", "3:9: vips[0].name: ", "is a list; must be 1 to 63 of the char"},
    {"vips:\n- port: eighty\n",
     "3:9: vips[0].port: ", "\"eighty\" is not allowed; must be a whole"},
    {"vips:\n- port: \"80\"\n",
     "3:9: vips[0].port: ", "quoted text; must be a whole number from 0"},
    {"vips:\n- port: 080\n", "3:9: vips[0].port: ", "must be a whole number from 0 to 65535"},
    {"vips:\n- port: 0x50\n", "3:9: vips[0].port: ", "must be a whole number"},
    {"vips:\n- port: 80.5\n", "3:9: vips[0].port: ", "must be a whole number"},
    {"vips:\n- port: {a: 1}\n", "3:9: vips[0].port: ", "is a group of fields; must be a whole"},
    {"vips:\n- port:\n", "3:3: vips[0].port: ", "has no value; must be a whole number"},
    {"vips:\n- port: 99999999999999999999\n", "3:9: vips[0].port: ", "must be a whole number"},
    // Out of range.
    {"vips:\n- port: 65536\n", "3:9: vips[0].port: ", "65536 is out of range; must be a whole num"},
    {"vips:\n- port: -1\n", "3:9: vips[0].port: ", "-1 is out of range; must be a whole number"},
    {"vips:\n- port: 4294967376\n", "3:9: vips[0].port: ", "4294967376 is out of range"},
    {"pools:\n- {name: w, table_size: 2}\n", "3:25: pools[0].table_size: ", "from 3 to 1048573"},
    {"pools:\n- {name: w, table_size: 1048574}\n", "pools[0].table_size: ", "is out of range"},
    {"pools:\n- {name: w, table_size: 0}\n", "pools[0].table_size: ", "0 is out of range"},
    {"pools:\n- name: w\n  backends: [{name: a, address: 10.0.0.1, weight: 10001}]\n",
     "4:51: pools[0].backends[0].weight: ", "10001 is out of range; must be a whole number from 0"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 0}}\n", "pools[0].probe.port: ", "0 is out of"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 1, rise: 0}}\n",
     "probe.rise: ", "from 1 to 100"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 1, fall: 101}}\n",
     "probe.fall: ", "out of range"},
    {"pools:\n- {name: w, probe: {type: http, port: 1, status_min: 99}}\n",
     "pools[0].probe.status_min: ", "99 is out of range; must be a whole number from 100 to 599"},
    // Durations.
    {"settle_time: 5\n", "2:14: settle_time: ", "\"5\" is not allowed; must be a duration with a"},
    {"settle_time: 5 s\n", "2:14: settle_time: ", "a duration with a unit, such as 500ms or 5s,"},
    {"settle_time: -5s\n", "2:14: settle_time: ", "\"-5s\" is not allowed"},
    {"settle_time: inf\n", "2:14: settle_time: ", "\"inf\" is not allowed"},
    {"settle_time: 11m\n", "2:14: settle_time: ", "11m is out of range; must be a duration with a"},
    {"settle_time: 99999999999h\n", "2:14: settle_time: ", "must be a duration"},
    {"settle_time: [5s]\n", "2:14: settle_time: ", "is a list; must be a duration"},
    {"flow_timeouts: {udp: 500ms}\n", "2:22: flow_timeouts.udp: ", "500ms is out of range"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 1, interval: 99ms}}\n",
     "probe.interval: ", "from 100ms to 1h"},
    // Spelling of enum values.
    {"vips:\n- protocol: sctp\n",
     "3:13: vips[0].protocol: ", "\"sctp\" is not allowed; must be one of tcp, udp"},
    {"vips:\n- protocol: TCP\n", "3:13: vips[0].protocol: ", "must be one of tcp, udp"},
    {"vips:\n- protocol: 6\n", "3:13: vips[0].protocol: ", "must be one of tcp, udp"},
    {"vips:\n- protocol: protocol_unspecified\n", "vips[0].protocol: ", "must be one of tcp, udp"},
    {"pools:\n- {name: w, encapsulation: vxlan}\n",
     "pools[0].encapsulation: ", "one of l2, ipip, gre, gue, l3dsr"},
    {"pools:\n- {name: w, probe: {type: tcp_connect, port: 1}}\n",
     "probe.type: ", "one of tcp, http"},
    {"pools:\n- name: w\n  backends: [{name: a, address: 10.0.0.1, state: down}]\n",
     "pools[0].backends[0].state: ", "must be one of enabled, drained, disabled"},
    // Twice.
    {"settle_time: 5s\nsettle_time: 6s\n", "3:1: settle_time: ", "is given twice, first in line 2"},
    {"flow_hash_secret: fedcba9876543210\n",
     "2:1: flow_hash_secret: ", "is given twice, first in line 1"},
    // Formats.
    {"pools:\n- name: -web\n", "3:9: pools[0].name: ", "\"-web\" is not valid; must be 1 to 63 of"},
    {"pools:\n- name: a b\n", "3:9: pools[0].name: ", "\"a b\" is not valid"},
    {"pools:\n- name: \"\"\n", "3:9: pools[0].name: ", "\"\" is not valid"},
    {"pools:\n- name: \"a\\nb\"\n", "3:9: pools[0].name: ", "holds control characters"},
    {"vips:\n- address: 10.0.0\n",
     "3:12: vips[0].address: ", "\"10.0.0\" is not valid; must be an IPv4"},
    {"vips:\n- address: 10.0.0.1/24\n", "3:12: vips[0].address: ", "is not valid"},
    {"vips:\n- address: 224.0.0.1\n", "3:12: vips[0].address: ", "unicast address"},
    {"vips:\n- address: 127.0.0.1\n", "3:12: vips[0].address: ", "not loopback"},
    {"vips:\n- address: 0.0.0.0\n", "3:12: vips[0].address: ", "is not valid"},
    {"vips:\n- address: 255.255.255.255\n", "3:12: vips[0].address: ", "is not valid"},
    {"vips:\n- address: \"ff02::1\"\n", "3:12: vips[0].address: ", "is not valid"},
    {"ports:\n- {name: p, static_gateway: {mac: 01:00:5e:00:00:01}}\n",
     "static_gateway.mac: ", "must be a unicast Ethernet address"},
    {"ports:\n- {name: p, static_gateway: {mac: 02-00}}\n", "static_gateway.mac: ", "is not valid"},
    {"ports:\n- {name: p, static_gateway: {mac: 02:00:00:00:00:01, source_ipv4: "
     "\"2001:db8::1\"}}\n",
     "static_gateway.source_ipv4: ", "other family; must be IPv4"},
    {"pools:\n- {name: w, probe: {type: http, port: 1, path: index.html}}\n",
     "probe.path: ", "must be a path that starts with /"},
    {"pools:\n- {name: w, probe: {type: http, port: 1, host: \"a b\"}}\n",
     "probe.host: ", "host name"},
    // Missing.
    {"vips:\n- {name: v}\n", "3:3: vips[0].address: ", "is missing; must be an IPv4 or IPv6"},
    {"vips:\n- {name: v}\n", "3:3: vips[0].protocol: ", "is missing; must be one of tcp, udp"},
    {"vips:\n- {name: v}\n", "3:3: vips[0].pool: ", "is missing"},
    {"ports:\n- {name: p, static_gateway: {mac: 02:00:00:00:00:01, vlan: 4095}}\n",
     "static_gateway.vlan: ", "0 to 4094"},
    {"ports:\n- {name: p}\n", "3:3: ports[0].static_gateway: ", "is missing; must be a group"},
    {"ports:\n- static_gateway: {}\n", "3:3: ports[0].static_gateway.mac: ", "is missing"},
    {"pools:\n- {name: w, probe: {}}\n", "3:13: pools[0].probe.type: ", "one of tcp, http"},
    // Together.
    {"pools: [{name: w}, {name: w}]\n",
     "pools[1].name: ", "pool name w is also that of pools[0].name"},
    {"pools:\n- name: w\n  backends: [{name: a, address: 10.0.0.1}, {name: a, address: "
     "10.0.0.2}]\n",
     "4:45: pools[0].backends[1].name: ",
     "backend name a is also that of pools[0].backends[0].name"},
    {"pools:\n- name: w\n  backends: [{name: a, address: 10.0.0.1}, {name: b, address: "
     "10.0.0.1}]\n",
     "pools[0].backends[1].address: ", "address 10.0.0.1 is also that of"},
    {"pools:\n- name: w\n  backends: [{name: a, address: '2001:db8::1'}, {name: b, address: "
     "'2001:db8:0:0::1'}]\n",
     "pools[0].backends[1].address: ", "address 2001:db8::1 is also that of"},
    {"pools: [{name: w}]\nvips: [{name: v, address: 10.0.0.1, protocol: tcp, pool: ww}]\n",
     "3:52: vips[0].pool: ", "there is no pool ww, did you mean w?"},
    {"pools: [{name: w}]\nvips:\n- {name: v, address: 10.0.0.1, protocol: tcp, pool: w}\n"
     "- {name: u, address: 10.0.0.1, protocol: tcp, pool: w}\n",
     "5:13: vips[1].address: ", "10.0.0.1 port 0 tcp is also that of vips[0].address"},
    {"pools: [{name: w}]\nvips:\n- {name: v, address: 10.0.0.1, protocol: tcp, pool: w}\n"
     "- {name: v, address: 10.0.0.2, protocol: tcp, pool: w}\n",
     "5:4: vips[1].name: ", "VIP name v is also that of vips[0].name"},
    {"pools: [{name: w, backends: [{name: a, address: 10.0.0.1}]}]\n"
     "vips:\n- {name: v, address: 10.0.0.1, protocol: tcp, pool: w}\n",
     "pools[0].backends[0].address: ", "10.0.0.1 is the address of VIP v"},
    {"pools:\n- {name: w, scheduler: random}\n",
     "3:24: pools[0].scheduler: ", "one of maglev, maglev-source, weighted-round-robin"},
    {"pools:\n- {name: w, scheduler: maglev-source, source_prefix_length_ipv4: 33}\n",
     "pools[0].source_prefix_length_ipv4: ", "from 0 to 32"},
    {"pools:\n- {name: w, scheduler: maglev-source, source_prefix_length_ipv6: 129}\n",
     "pools[0].source_prefix_length_ipv6: ", "from 0 to 128"},
    {"pools:\n- {name: w, source_prefix_length_ipv4: 24}\n",
     "pools[0].source_prefix_length_ipv4: ", "has a meaning only if scheduler is maglev-source"},
    {"pools:\n- {name: w, scheduler: two-choices, source_prefix_length_ipv6: 24}\n",
     "pools[0].source_prefix_length_ipv6: ", "has a meaning only if scheduler is maglev-source"},
    {"pools: [{name: w, table_size: 65536}]\n",
     "2:19: pools[0].table_size: ", "65536 is not a prime; the next one is 65537"},
    {"pools: [{name: w, table_size: 3, backends: [{name: a, address: 10.0.0.1},"
     "{name: b, address: 10.0.0.2}, {name: c, address: 10.0.0.3}]}]\n",
     "pools[0].table_size: ", "3 slots are too few for 3 backends"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 1, interval: 1s, timeout: 2s}}\n",
     "pools[0].probe.timeout: ", "2s is longer than the interval of 1s"},
    {"pools:\n- {name: w, probe: {type: http, port: 1, status_min: 300, status_max: 299}}\n",
     "pools[0].probe.status_min: ", "300 is above status_max, 299"},
    {"pools:\n- {name: w, probe: {type: icmp, port: 1}}\n",
     "pools[0].probe.port: ", "only if type is tcp or http or https or udp or grpc or grpcs"},
    {"pools:\n- {name: w, probe: {type: udp}}\n", "pools[0].probe.port: ", "is missing"},
    {"pools:\n- {name: w, probe: {type: udp, port: 1, via: tunnel}}\n",
     "pools[0].probe.via: ", "probes of type udp cannot take the tunnel"},
    {"pools:\n- {name: w, probe: {type: icmp, via: tunnel}}\n",
     "pools[0].probe.via: ", "probes of type icmp cannot take the tunnel"},
    {"pools:\n- {name: w, probe: {type: exec, command: [/x], via: tunnel}}\n",
     "pools[0].probe.via: ", "probes of type exec cannot take the tunnel"},
    {"pools:\n- {name: w, probe: {type: exec}}\n", "pools[0].probe.command: ", "is missing; must"},
    {"pools:\n- {name: w, probe: {type: exec, command: [x]}}\n",
     "probe.command[0]: ", "x is not an absolute path"},
    {"pools:\n- {name: w, probe: {type: exec, command: [/x, {}]}}\n",
     "probe.command[1]: ", "is a group of fields; must be text of at most 4096 bytes"},
    {"pools:\n- {name: w, probe: {type: exec, command: /x}}\n",
     "probe.command: ", "must be a list from 1 to 64 entries, each text of at most 4096 bytes"},
    {"pools:\n- {name: w, probe: {type: exec, command: [/x], environment: [A]}}\n",
     "probe.environment[0]: ", "\"A\" is not valid; must be NAME=VALUE"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 1, command: [/x]}}\n",
     "probe.command: ", "has a meaning only if type is exec"},
    {"pools:\n- {name: w, probe: {type: udp, port: 1, send: \"hex:0\"}}\n",
     "probe.send: ", "must be text, or hex: and an even number of hexadecimal digits"},
    {"pools:\n- {name: w, probe: {type: udp, port: 1, silent: true, expect: x}}\n",
     "probe.silent: ", "does not go with expect"},
    {"pools:\n- {name: w, probe: {type: http, port: 1, tls_name: x}}\n",
     "probe.tls_name: ", "only if type is https or grpcs"},
    {"pools:\n- {name: w, probe: {type: https, port: 1, tls_ca_file: x}}\n",
     "probe.tls_ca_file: ", "must be a path that starts with /"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 1, source_ipv4: \"2001:db8::1\"}}\n",
     "probe.source_ipv4: ", "is of the other family; must be IPv4"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 1, source_ipv6: \"2001:db8::1\", via: "
     "tunnel}}\n",
     "probe.source_ipv6: ", "does not go with via: tunnel"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 1, jitter_percent: 51}}\n",
     "probe.jitter_percent: ", "from 0 to 50"},
    {"pools:\n- name: w\n  probe: {type: tcp, port: 1}\n  probes: [{type: tcp, port: 2}]\n",
     "5:3: pools[0].probes: ", "does not go with probe"},
    {"pools:\n- {name: w, probes: [{type: tcp, port: 1, timeout: 6s}]}\n",
     "pools[0].probes[0].timeout: ", "6s is longer than the interval of 5s"},
    {"pools:\n- {name: w, fail_open_below: 101}\n", "pools[0].fail_open_below: ", "from 0 to 100"},
    {"pools:\n- {name: w, ejection_limit: {}}\n", "ejection_limit.percent: ", "is missing"},
    {"vips:\n- {name: v, announce_from: 5}\n",
     "vips[0].announce_from: ", "means something only with withdraw_below"},
    {"vips:\n- {name: v, withdraw_below: 6, announce_from: 5}\n",
     "vips[0].announce_from: ", "5 is below withdraw_below, 6"},
    {"pools:\n- {name: w, probe: {type: tcp, port: 1, path: /x}}\n",
     "pools[0].probe.path: ", "has a meaning only if type is http"},
    {"ports:\n- {name: p, static_gateway: {mac: 02:00:00:00:00:01}}\n"
     "- {name: q, static_gateway: {mac: 02:00:00:00:00:01}}\n",
     "4:13: ports[1].static_gateway: ", "one port at most"},
    {"ports:\n- {name: p, static_gateway: {mac: 02:00:00:00:00:01}}\n"
     "- {name: p, static_gateway: {mac: 02:00:00:00:00:01}}\n",
     "4:4: ports[1].name: ", "port name p is also that of"},
    {"ports:\n- {name: p, static_gateway: {mac: 02:00:00:00:00:01}}\n"
     "pools: [{name: w, encapsulation: ipip, backends: [{name: a, address: \"2001:db8::1\"}]}]\n",
     "ports[0].static_gateway.source_ipv6: ", "tunnels to backend a of pool w need it"},
    // How packets get to backends.
    {"pools: [{name: w, encapsulation: gre, gue: {port: 1}}]\n",
     "pools[0].gue: ", "has a meaning only if encapsulation is gue"},
    {"pools: [{name: w, gue: {}}]\n", "pools[0].gue: ", "only if encapsulation is gue"},
    {"pools: [{name: w, encapsulation: gue, gue: {port: 0}}]\n",
     "pools[0].gue.port: ", "must be a whole number from 1 to 65535"},
    {"pools: [{name: w, encapsulation: gue, gue: {second_chance: yes}}]\n",
     "pools[0].gue.second_chance: ", "\"yes\" is not allowed; must be true or false"},
    {"pools: [{name: w, encapsulation: gue, gue: {zero_checksum6: \"true\"}}]\n",
     "pools[0].gue.zero_checksum6: ", "is quoted text; must be true or false"},
    {"pools: [{name: w, encapsulation: l3dsr}]\n",
     "pools[0].dscp: ", "is missing; must be a whole number from 1 to 63"},
    {"pools: [{name: w, encapsulation: l3dsr, dscp: 64}]\n", "pools[0].dscp: ", "out of range"},
    {"pools: [{name: w, encapsulation: l3dsr, dscp: 0}]\n", "pools[0].dscp: ", "out of range"},
    {"pools: [{name: w, encapsulation: ipip, dscp: 1}]\n",
     "pools[0].dscp: ", "has a meaning only if encapsulation is l3dsr"},
    {"source_prefix_ipv4: 10.255.0.1/16\n",
     "source_prefix_ipv4: ", "is not valid; must be an IPv4"},
    {"source_prefix_ipv4: 10.255.0.0\n", "source_prefix_ipv4: ", "such as 10.255.0.0/16"},
    {"source_prefix_ipv4: 10.255.0.0/31\n", "source_prefix_ipv4: ", "from 8 to 30"},
    {"source_prefix_ipv4: 10.0.0.0/7\n", "source_prefix_ipv4: ", "from 8 to 30"},
    {"source_prefix_ipv4: 127.0.0.0/16\n", "source_prefix_ipv4: ", "is not valid"},
    {"source_prefix_ipv4: 224.0.0.0/8\n", "source_prefix_ipv4: ", "is not valid"},
    {"source_prefix_ipv4: \"2001:db8::/64\"\n", "source_prefix_ipv4: ", "is not valid"},
    {"source_prefix_ipv6: 10.255.0.0/16\n",
     "source_prefix_ipv6: ", "is not valid; must be an IPv6"},
    {"source_prefix_ipv6: \"2001:db8::/127\"\n", "source_prefix_ipv6: ", "from 32 to 126"},
    {"source_prefix_ipv6: \"2001::/31\"\n", "source_prefix_ipv6: ", "from 32 to 126"},
    {"source_prefix_ipv6: \"2001:db8::1/64\"\n", "source_prefix_ipv6: ", "is not valid"},
    {"source_prefix_ipv6: \"ff00::/64\"\n", "source_prefix_ipv6: ", "is not valid"},
    {"ports:\n- {name: p, static_gateway: {mac: 02:00:00:00:00:01}}\n"
     "pools: [{name: w, encapsulation: gue, backends: [{name: a, address: 10.0.0.1}]}]\n",
     "ports[0].static_gateway.source_ipv4: ", "need it, or a source prefix"},
    {"source_prefix_ipv4: 10.0.0.0/16\n"
     "pools: [{name: w, encapsulation: gre, backends: [{name: a, address: 10.0.9.1}]}]\n",
     "pools[0].backends[0].address: ", "10.0.9.1 lies in the source prefix 10.0.0.0/16"},
    {"pools: [{name: w, encapsulation: gre, source_prefix_ipv6: \"2001:db8::/64\"}]\n"
     "vips: [{name: v, address: \"2001:db8::5\", protocol: tcp, pool: w}]\n",
     "vips[0].address: ", "lies in the source prefix 2001:db8::/64 of pool w"},
    {"pools: [{name: w, encapsulation: gue, gue: {second_chance: true}, backends: [{name: a, "
     "address: 10.0.0.1}, {name: b, address: \"2001:db8::1\"}]}]\n",
     "pools[0].backends[1].address: ", "with second_chance all must be of one family"},
    {"pools: [{name: w, encapsulation: l3dsr, dscp: 1}]\n"
     "vips:\n- {name: v, address: 10.0.0.1, protocol: tcp, pool: w}\n"
     "- {name: u, address: 10.0.0.2, protocol: tcp, pool: w}\n",
     "vips[1].pool: ", "pool w uses l3dsr and serves 10.0.0.1; must be a pool of its own"},
    {"pools: [{name: w, encapsulation: l3dsr, dscp: 1, backends: [{name: a, address: "
     "10.0.0.9}]}]\nvips: [{name: v, address: \"2001:db8::1\", protocol: tcp, pool: w}]\n",
     "pools[0].backends[0].address: ", "10.0.0.9 is IPv4; must be IPv6 as the VIP 2001:db8::1"},
    {"pools:\n- {name: w, encapsulation: l3dsr, dscp: 7, backends: [{name: a, address: "
     "10.0.0.9}]}\n"
     "- {name: x, encapsulation: l3dsr, dscp: 7, backends: [{name: a, address: 10.0.0.9}]}\n"
     "vips:\n- {name: v, address: 10.0.0.1, protocol: tcp, pool: w}\n"
     "- {name: u, address: 10.0.0.2, protocol: tcp, pool: x}\n",
     "pools[1].backends[0].address: ", "has dscp 7 in pool w for VIP 10.0.0.1 already"},
    {"fragments: reassemble\n", "fragments: ", "track"},
    {"fragments: hash3\npools:\n- {name: w}\n- {name: x}\n"
     "vips:\n- {name: v, address: 10.0.0.1, port: 1, protocol: udp, pool: w}\n"
     "- {name: u, address: 10.0.0.1, port: 2, protocol: tcp, pool: x}\n"
     "- {name: t, address: 10.0.0.1, port: 2, protocol: udp, pool: x}\n",
     "vips[2].pool: ", "x is not the pool of VIP v, which has the same address and protocol"},
    // YAML itself.
    {"a: &x 1\n", "2:4: ", "anchors are not supported"},
    {"a: *x\n", "2:4: ", "is not valid YAML"},
    {"a: !!binary abc\n", "2:4: ", "tags such as"},
    {"a: [1\n", ": ", "is not valid YAML"},
    {"\tpools: []\n", "2:1: ", "is not valid YAML"},
    {"? [a, b]\n: 1\n", "2:3: ", "a field's name must be plain text"},
    {"---\nsettle_time: 5s\n", ": ", "several documents"},
};

TEST_CASE("every mistake is named with its place and what is allowed") {
  STATIC_REQUIRE(std::size(kCases) >= 60);
  for (const Case& c : kCases) {
    CAPTURE(c.yaml);
    const auto config = ParseConfig(absl::StrCat(kSecret, c.yaml), "f.yaml");
    REQUIRE(!config.ok());
    const std::string text(config.status().message());
    CAPTURE(text);
    // One line of the message has the file, the place, and after it the explanation.
    bool found = false;
    for (size_t start = 0; start < text.size();) {
      size_t end = text.find('\n', start);
      if (end == std::string::npos) end = text.size();
      const std::string line = text.substr(start, end - start);
      start = end + 1;
      const size_t place = line.find(c.place);
      if (line.starts_with("f.yaml:") && place != std::string::npos &&
          line.find(c.message, place) != std::string::npos) {
        found = true;
      }
    }
    CHECK(found);
  }
}

TEST_CASE("the secret is required, checked, and never printed") {
  CHECK(std::string(ParseConfig("", "f").status().message()).find("f:1:1: ") == 0);
  const auto missing = ParseConfig("pools: []\n", "f");
  CHECK(missing.status().message() ==
        "f:1:1: flow_hash_secret: is missing; must be text from 16 to 256 bytes");
  const auto brief = ParseConfig("flow_hash_secret: hunter2\n", "f");
  CHECK(brief.status().message() ==
        "f:1:19: flow_hash_secret: the value is too short (7 bytes); must be text from 16 to 256 "
        "bytes");
}

TEST_CASE("all problems are reported, up to twenty, in file order") {
  std::string yaml = kSecret;
  for (int i = 0; i < 25; ++i) absl::StrAppend(&yaml, "wrong", i, ": 1\n");
  const auto config = ParseConfig(yaml, "f");
  const std::string text(config.status().message());
  CHECK(std::count(text.begin(), text.end(), '\n') == 20);
  CHECK(absl::StrContains(text, "f:2:1: wrong0"));
  CHECK(absl::StrContains(text, "f:21:1: wrong19"));
  CHECK(!absl::StrContains(text, "wrong20"));
  CHECK(absl::EndsWith(text, "\nand 5 more problems"));
}

TEST_CASE("limits of size and depth") {
  const auto large = ParseConfig(std::string((16 << 20) + 1, '#'), "f");
  CHECK(absl::StrContains(large.status().message(), "bytes; at most 16777216 are allowed"));
  for (const int depth : {33, 400, 600, 200000}) {
    const auto levels = static_cast<size_t>(depth);
    const auto deep = ParseConfig("a: " + std::string(levels, '[') + std::string(levels, ']'), "f");
    CAPTURE(depth);
    CHECK(absl::StrContains(deep.status().message(), "nested deeper than 32 levels"));
  }
  std::string many = "a: [";
  for (int i = 0; i < 1'000'001; ++i) many += "1,";
  CHECK(absl::StrContains(ParseConfig(many + "]", "f").status().message(),
                          "has more than 1000000 values"));
  const auto zero = ParseConfig(std::string("a: \0b", 5), "f");
  CHECK(absl::StrContains(zero.status().message(), "zero byte"));
  const auto latin1 = ParseConfig(
      "flow_hash_secret: \xe9\xe9\xe9\xe9"
      "0123456789abcdef\n",
      "f");
  CHECK(!latin1.ok());
}

TEST_CASE("too many entries are refused before they are read") {
  std::string yaml = kSecret;
  yaml += "pools:\n";
  for (int i = 0; i < 2049; ++i) absl::StrAppend(&yaml, "- name: p", i, "\n");
  CHECK(ParseConfig(yaml, "f").status().message() ==
        "f:2:1: pools: has 2049 entries; at most 2048 are allowed");
  yaml = kSecret;
  yaml += "pools:\n";
  for (int p = 0; p < 2; ++p) {
    absl::StrAppend(&yaml, "- name: p", p, "\n  backends:\n");
    for (int i = 0; i < 8193; ++i) {
      absl::StrAppend(&yaml, "  - {name: b", i, ", address: 10.", p, ".", i / 256, ".", i % 256,
                      "}\n");
    }
  }
  CHECK(ParseConfig(yaml, "f").status().message() ==
        "f:2:1: pools: have 16386 backends together; at most 16384 are allowed");
}

}  // namespace
}  // namespace guideway
