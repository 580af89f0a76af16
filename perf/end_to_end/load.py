"""The loads: wrk in three ways and iperf3 in two, each with what the processors did meanwhile."""

import json
import os
import time

from lab.process import LabError, run, wait_until
from lab.topology import BACKENDS, CLIENT, GUIDEWAY, SEGMENT

from servers import HTTP_PORT, IPERF_PORT, PATH

_HERE = os.path.dirname(os.path.abspath(__file__))
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KTHREADD = "2"
CONNECTIONS = 64
_THREADS = 2  # with one, the soft interrupts on its account are the limit of some variants
# name: (wrk's header, mean pause of a connection between two requests in ms)
WRK_LOADS = {"keepalive": ("Connection: keep-alive", 0),
             "close": ("Connection: close", 0),
             "paced": ("Connection: keep-alive", 32)}  # 64 connections: some 2000 requests/s
IPERF_LOADS = {"upload": (), "download": ("-R",)}


def _process_times():
    """{pid: (parent, own s, own and ended children's s)} of all processes; threads are in it."""
    times = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        user, system, child_user, child_system = (int(fields[i]) / _TICKS_PER_S for i in range(11, 15))
        times[int(pid)] = fields[1], user + system, user + system + child_user + child_system
    return times


def _idle_s():
    """Of all processors together. The kernel takes it from the clock, not from ticks."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = file.readline().split()
    # Idle, waiting for I/O, and what the hypervisor took.
    return sum(int(fields[i]) for i in (4, 5, 8)) / _TICKS_PER_S


class Processors:
    """Who used them between start() and stop().

    `client`, `servers` and `balancer` are the processes' own time as the kernel counts it: with what
    soft interrupts did on their account while they ran. `machine` is everything that was not idle;
    `rest` is what of it no process of the lab had: kernel threads and soft interrupts.
    """

    def __init__(self, lab, balancer_without=()):
        self._groups = {"servers": [p for b in BACKENDS for p in _pids(lab, b)],
                        "balancer": [p for p in _pids(lab, GUIDEWAY) if p not in balancer_without]}
        self._known = {p for host in (CLIENT, GUIDEWAY, *BACKENDS) for p in _pids(lab, host)} | {os.getpid()}
        self.used = {}

    def _sample(self):
        times = _process_times()
        groups = {name: sum(times[p][1] for p in pids) for name, pids in self._groups.items()}
        own = times[os.getpid()]
        groups["client"] = own[2] - own[1]  # the ended children of this process
        groups["foreign"] = sum(total for pid, (parent, _, total) in times.items()
                                if parent != _KTHREADD and pid not in self._known)
        return time.monotonic(), _idle_s(), groups

    def start(self):
        self._first = self._sample()

    def stop(self):
        last = self._sample()
        wall = last[0] - self._first[0]
        used = {name: last[2][name] - self._first[2][name] for name in last[2]}
        used["machine"] = wall * os.cpu_count() - (last[1] - self._first[1])
        used["rest"] = used["machine"] - used["client"] - used["servers"] - used["balancer"]
        used["foreign_share"] = used.pop("foreign") / (wall * os.cpu_count())
        self.used = used


def wait_quiet(lab, limit, timeout_s):
    """Returns when other programs had at most `limit` of the processors for a moment, or in the end."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        processors = Processors(lab)
        processors.start()
        time.sleep(0.3)  # the span that is looked at
        processors.stop()
        if processors.used["foreign_share"] <= limit:
            return


def _pids(lab, host):
    listed = run("ip", "netns", "pids", lab.network.name(host), check=False)
    return [int(pid) for pid in listed.stdout.split()]


def balancer_packets(lab):
    """(to, from) the balancer's host so far, counted by the segment's bridge."""
    link = json.loads(lab.network.ip(SEGMENT, "-j", "-s", "link", "show", GUIDEWAY).stdout)[0]
    return link["stats64"]["tx"]["packets"], link["stats64"]["rx"]["packets"]


def wrk(lab, vip, load, seconds):
    """One run; returns wrk's own result. Raises if any request failed."""
    header, pause_ms = WRK_LOADS[load]
    done = lab.execute(CLIENT, "wrk", "-t", _THREADS, "-c", CONNECTIONS, "-d", f"{seconds}s", "--timeout", "2s",
                       "-H", header, "-s", f"{_HERE}/wrk.lua", f"http://{vip}:{HTTP_PORT}{PATH}", "--",
                       pause_ms, timeout_s=seconds + 30)
    result = json.loads(done.stdout.splitlines()[-1])
    if any(result["errors"].values()) or not result["requests"]:
        raise LabError(f"wrk, {load}: {result}")
    return result


def _try_iperf(lab, address, load, seconds):
    """iperf3's result at the end, or None: its server takes one client at a time, and has not noticed yet
    that the one before has gone."""
    done = lab.execute(CLIENT, "iperf3", "-J", "-c", address, "-p", IPERF_PORT, "-t", seconds,
                       *IPERF_LOADS[load], check=False, timeout_s=seconds + 30)
    result = json.loads(done.stdout)
    if "busy" in result.get("error", ""):
        return None
    if "error" in result:
        raise LabError(f"iperf3, {load}: {result['error']}")
    return result["end"]


def iperf(lab, address, load, seconds):
    """(Mbit/s that arrived, segments that were sent again)."""
    end = wait_until(lambda: _try_iperf(lab, address, load, seconds), "iperf3's server takes a client")
    return end["sum_received"]["bits_per_second"] / 1e6, end["sum_sent"]["retransmits"]


def measured_iperf(lab, variant, load, seconds):
    """One run: ({metric: (value, further values)}, what part of the processors other programs had)."""
    processors = Processors(lab, variant.not_counted())
    processors.start()
    rate, retransmits = iperf(lab, variant.iperf_address, load, seconds)
    processors.stop()
    return {f"{load}_mbit_per_s": (rate, {"retransmits": retransmits})}, processors.used["foreign_share"]


def idle(lab, variant, seconds):
    """Processors that the balancer's processes take while nobody sends, in the same form."""
    processors = Processors(lab, variant.not_counted())
    processors.start()
    time.sleep(seconds)  # the span that is measured
    processors.stop()
    return {"idle_cores": (processors.used["balancer"] / seconds, {})}, processors.used["foreign_share"]


def measured_wrk(lab, servers, variant, load, seconds):
    """One run in the same form. Checked: a server answered every request, and it passed the balancer if
    there is one."""
    processors = Processors(lab, variant.not_counted())
    answered, packets = servers.requests(), balancer_packets(lab)
    processors.start()
    result = wrk(lab, variant.vip, load, seconds)
    processors.stop()
    packets = [after - before for after, before in zip(balancer_packets(lab), packets)]
    answered = {name: count - answered[name] for name, count in servers.requests().items()}
    requests = result["requests"]
    _check_way(variant, load, requests, answered, packets)
    cost = {who: processors.used[who] / requests * 1e6
            for who in ("machine", "client", "servers", "balancer", "rest")}
    figures = {"requests_per_s": (requests / result["seconds"], {}), "p50_us": (result["p50_us"], {}),
               "p99_us": (result["p99_us"], {}),
               "balancer_us_per_request": (cost.pop("balancer"), {"packets_to_balancer": packets[0] / requests,
                                                                   "packets_from_balancer": packets[1] / requests}),
               "machine_us_per_request": (cost.pop("machine"), cost)}
    prefix = "" if load == "keepalive" else f"{load}_"
    return {prefix + metric: value for metric, value in figures.items()}, processors.used["foreign_share"]


def _check_way(variant, load, requests, answered, packets):
    """The servers saw the requests, every one a fair share; the bridge saw them pass the balancer."""
    if sum(answered.values()) < requests:
        raise LabError(f"{variant.name}, {load}: {requests} requests, the servers answered {answered}")
    # 64 connections in three parts by hash: a part below 5% has a probability under 1e-6.
    if min(answered.values()) < 0.05 * requests:
        raise LabError(f"{variant.name}, {load}: servers have unequal parts: {answered}")
    if variant.name == "direct":
        if sum(packets) > 100:
            raise LabError(f"direct: {packets} packets passed the balancer's host")
    elif min(packets) < requests:
        raise LabError(f"{variant.name}, {load}: {requests} requests, {packets} packets to and from the balancer")
