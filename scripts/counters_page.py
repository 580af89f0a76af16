#!/usr/bin/python3
"""Makes docs/counters.md from the two lists in lib/stats.

usage: counters_page.py          writes the page
       counters_page.py --check  exits 1 if the page is not what would be written
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "counters.md"
_ENTRY = re.compile(r'^GW_(?:COUNTER|DROP_REASON)\((\w+), (?:"(\w+)", )?"(.*)"\)$')
# What an operator can do about a drop, where there is something.
_ADVICE = {
    "no_backend": "`guideway pool show POOL`: is every backend unhealthy, drained or of weight 0?",
    "no_next_hop": "`guideway backend list`, last column: why the kernel has no way to the backend",
    "too_big": "raise the MTU towards the backends: [host.md](host.md#mtu)",
    "too_big_rate_limited": "the same, or more `--too_big_per_second`",
    "echo_rate_limited": "somebody floods a VIP with pings; else more `--echo_per_second`",
    "fragment_no_buffer": "packets without DF do not fit into tunnels: raise the MTU",
    "transmit_queue_full": "the egress NIC or its driver is slower than the traffic",
    "kernel_queue_full": "too much traffic that is not for a VIP on a PCI port",
    "no_kernel_twin": "traffic that is not for a VIP on a port without `--kernel_twin`",
    "ttl_expired": "a routing loop, or a traceroute: does the VIP's route lead back here?",
    "fragment_timeout": "first fragments get lost, or the NIC tears datagrams apart: [host.md](host.md#fragments)",
    "fragment_overflow": "a flood of fragments; `fragments: drop` if no service needs them",
    "breaker_full": "backends have all they may have: more backends, or higher limits of the pool's `circuit_breaker`",
    "scattered_frame": "a frame longer than a receive buffer: lower the port's MTU",
}

_HEAD = """\
# Counters and drop reasons

<!-- Made from lib/stats/counters.def and lib/stats/drop_reasons.def by scripts/counters_page.py; do
not edit. -->

`guideway stats` shows them summed over the workers; `guideway stats -o json` has the same names.
At any moment and exactly: `received_packets` = `forwarded_packets` + `to_kernel_packets` + `answered_packets` + all drops.

`guideway vip show NAME`, and `vips` and `no_vip` of `guideway stats -o json`, have by VIP: `packets` (forwarded), `bytes` (of these, as
received), `new_flows`, `to_kernel_packets`, `answered_packets`, `drop_total` and `drops` by reason, those that occurred. `no_vip` has what is
for no VIP or whose VIP cannot be told, such as a broken IP header or an echo request, and what was counted for VIPs that are gone.
Forwarded, to kernel, answered and every drop reason, summed over `vips` and `no_vip`, are the totals exactly; while traffic flows, but for
the burst that each worker has in hand.

`guideway backend show POOL BACKEND`, and `guideway backend list -o json`, have by backend: `packets`, `bytes`, `new_flows`, `active_flows` (in the
flow tables now, [protection.md](protection.md#passive-detection)) and the last counters of the list, from `syn_retransmissions` on; these, summed over
the backends and those that are gone, are the totals.

## Counters

| name | unit | meaning |
|---|---|---|
"""
_DROPS = """
## Drop reasons

| name | meaning | what to do |
|---|---|---|
"""


def entries(name):
    """[(name, unit, help)] of a .def file; every line is a comment or an entry."""
    found = []
    for line in (ROOT / "lib" / "stats" / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("//") or not line:
            continue
        match = _ENTRY.match(line)
        if not match:
            sys.exit(f"lib/stats/{name}: not understood: {line}")
        found.append(match.groups())
    return found


def page():
    reasons = entries("drop_reasons.def")
    unknown = set(_ADVICE) - {reason for reason, _, _ in reasons}
    if unknown:
        sys.exit(f"counters_page.py has advice for reasons that do not exist: {unknown}")
    counters = "".join(f"| `{name}` | {unit} | {text} |\n"
                       for name, unit, text in entries("counters.def"))
    drops = "".join(f"| `{name}` | {text} | {_ADVICE.get(name, '')} |\n"
                    for name, _, text in reasons)
    return _HEAD + counters + _DROPS + drops


def main():
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
            sys.exit("docs/counters.md is stale; run scripts/counters_page.py")
    else:
        PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
