"""Every row of the benchmarks, once: what it is called, what it measures, and its bar.

A program prints figures under these names as JSON lines (README.md); titles, units, bars and which
direction is better stand here only. `ROWS` has them in the order of the table.
"""

import dataclasses
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Row:
    """`bar` is in the row's unit; with `times` it is that many times the value of the row `times`."""
    group: str
    name: str
    title: str
    unit: str
    bar: Optional[float] = None
    times: Optional[str] = None
    higher_is_better: bool = False


_COUNTS = {"1": "1 flow", "1k": "1k flows", "100k": "100k flows", "1m": "1M flows", "4m": "4M flows"}


def _micro():
    """Nanoseconds a packet beyond the floor, one core, 64-byte packets, 100 backends, 16 VIPs."""
    for count, bar in zip(_COUNTS, (12, 15, 18, 25, 32)):
        yield Row("micro", f"known_ipv4_ipip_{count}", f"IPv4 known, IPIP, {_COUNTS[count]}", "ns", bar)
    for count in _COUNTS:
        yield Row("micro", f"known_ipv6_ipip_{count}", f"IPv6 known, IP6IP6, {_COUNTS[count]}", "ns", 1.2,
                  times=f"known_ipv4_ipip_{count}")
    for count in ("1k", "1m"):
        yield Row("micro", f"known_ipv4_gue_{count}", f"IPv4 known, GUE with hop lists, {_COUNTS[count]}", "ns", 1.3,
                  times=f"known_ipv4_ipip_{count}")
        yield Row("micro", f"gue_second_chance_{count}", f"  every packet with a second hop, {_COUNTS[count]}", "ns",
                  1.3, times=f"known_ipv4_ipip_{count}")
    for count in ("1k", "1m"):
        yield Row("micro", f"known_ipv4_l2_{count}", f"IPv4 known, L2, {_COUNTS[count]}", "ns", 1,
                  times=f"known_ipv4_ipip_{count}")
    yield Row("micro", "new_flows_1m", "SYNs of new flows, table with room, 1M", "ns", 40)
    yield Row("micro", "syn_flood_full", "SYN flood, full table", "ns", 45)
    yield Row("micro", "syn_flood_full_kept", "  established flows that are kept", "percent", 99.9,
              higher_is_better=True)
    yield Row("micro", "vip_miss", "no VIP: to the kernel", "ns", 10)
    yield Row("micro", "mixed", "mixed: 1M flows by Zipf, both families, 10 pools", "ns", 30)
    yield Row("micro", "two_workers", "two workers on two cores, of one", "x", 1.9, higher_is_better=True)


def _builder():
    """One pool's Maglev table, one thread."""
    yield Row("builder", "maglev_65537_100", "65537 slots, 100 backends", "ms")
    yield Row("builder", "maglev_65537_1000", "65537 slots, 1000 backends", "ms", 0.6)
    yield Row("builder", "maglev_65537_1000_weighted", "  seven different weights", "ms", 0.6)
    yield Row("builder", "maglev_655373_1000", "655373 slots, 1000 backends", "ms", 10)
    yield Row("builder", "maglev_655373_1000_weighted", "  seven different weights", "ms", 10)
    yield Row("builder", "maglev_share_error_percent", "a backend's share, off its weight by", "percent", 1)
    yield Row("builder", "maglev_share_error_slots", "  the same in slots", "slots", 1)


def _flow_table():
    yield Row("flow_table", "flow_table_bytes_per_flow", "memory a flow", "bytes", 16)
    for load in (50, 60, 70, 75, 80, 85, 90, 95):
        yield Row("flow_table", f"flow_table_lost_percent_at_{load}", f"established flows lost, load {load}%",
                  "percent", 0.1 if load == 90 else None)
    for load in (50, 90):
        yield Row("flow_table", f"flow_table_lost_percent_churn_{load}",
                  f"  in service for long, load {load}%", "percent")
    for load in (50, 90):
        yield Row("flow_table", f"flow_table_find_ns_at_{load}", f"finding a flow, load {load}%", "ns")
        yield Row("flow_table", f"flow_table_enter_ns_at_{load}", f"entering a flow, load {load}%", "ns")


def _controlplane():
    """1000 VIPs, 1000 pools, 10,000 backends."""
    yield Row("controlplane", "start_to_forwarding", "start to forwarding, 1000 pools", "s", 5)
    yield Row("controlplane", "start_to_all_known", "  then until all backends are known", "s", 20)
    yield Row("controlplane", "health_to_last_worker_median", "health change to last worker, median", "ms")
    yield Row("controlplane", "health_to_last_worker_p99", "health change to last worker, p99", "ms", 2)
    yield Row("controlplane", "apply_other_probes", "apply: the probes of 99 pools change", "s")
    yield Row("controlplane", "flapping_changes_per_second", "1000 backends flap: changes a second", "1/s",
              higher_is_better=True)
    yield Row("controlplane", "flapping_tables_per_second", "  tables sent a second", "1/s", higher_is_better=True)
    yield Row("controlplane", "flapping_to_last_worker_p99", "  health change to last worker, p99", "ms")
    for plane, title in (("controlplane", "control plane"), ("dataplane", "data plane")):
        yield Row("controlplane", f"flapping_{plane}_growth", f"  memory growth, {title}", "MiB", 10)
        yield Row("controlplane", f"flapping_{plane}_processor", f"  processor share, {title}", "percent")
    yield Row("controlplane", "flapping_downloads_broken", "  downloads broken", "downloads", 0)


def _generator():
    """The packet generator of perf/generator: another process, over memif; CPUs are shared with all else."""
    def target(name, title, latencies):
        prefix = f"generator_{name}_" if name else "generator_"
        rate = "mpps" if name == "floor" else "loss_free_mpps"
        yield Row("generator", f"{prefix}{rate}", f"{title}, without loss", "Mpps", higher_is_better=True)
        yield Row("generator", f"{prefix}saturated_mpps", "  offered more than it takes", "Mpps", higher_is_better=True)
        for load in (10, 50, 90):
            for latency in latencies:
                yield Row("generator", f"{prefix}latency_{load}_{latency}_us",
                          f"  there and back at {load}%, {latency.replace('_', '.')}", "us")
    yield from target("floor", "memif with echo", ("p50", "p99"))
    yield from target("", "Guideway, IPIP, 1k flows", ("p50", "p90", "p99", "p99_9", "max"))
    yield from target("million", "Guideway, IPIP, 1M flows", ("p50", "p99"))
    yield Row("generator", "generator_share_of_floor", "Guideway without loss, of the echo", "x", higher_is_better=True)


# The comparison in the lab: what stands between client and servers, and what is measured of each. The
# loads: wrk with keep-alive, with a connection a request, and paced; iperf3 to and from the servers.
END_TO_END_VARIANTS = {"direct": "direct", "guideway_l2": "Guideway, L2", "guideway_ipip": "Guideway, IPIP",
                       "haproxy": "HAProxy, TCP mode", "nginx": "nginx stream", "nftables": "nftables DNAT"}
END_TO_END_METRICS = {
    **{f"{load}{metric}": unit for load in ("", "close_", "paced_") for metric, unit in (
        ("requests_per_s", "1/s"), ("p50_us", "us"), ("p99_us", "us"), ("machine_us_per_request", "us"),
        ("balancer_us_per_request", "us"))},
    "upload_mbit_per_s": "Mbit/s", "download_mbit_per_s": "Mbit/s", "idle_cores": "cores"}


def end_to_end_name(variant, metric):
    return f"e2e_{variant}_{metric}"


def _end_to_end():
    """The comparison in the lab of perf/end_to_end."""
    for variant, title in END_TO_END_VARIANTS.items():
        for metric, unit in END_TO_END_METRICS.items():
            words = metric.replace("_per_s", " a second").replace("_us_per_request", " CPU a request")
            words = words.replace("mbit a second", "rate").removesuffix("_us").replace("_", " ")
            yield Row("end_to_end", end_to_end_name(variant, metric), f"{title}: {words}", unit,
                      higher_is_better=metric.endswith("_per_s"))


ROWS = (*_micro(), *_builder(), *_flow_table(), *_controlplane(), *_generator(), *_end_to_end())
BY_NAME = {row.name: row for row in ROWS}


def of_group(group):
    return [row for row in ROWS if row.group == group]
