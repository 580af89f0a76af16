"""guideway-decap on the backends: all tunnels, second chance, crashes, and what the tool tells."""

import contextlib
import fcntl
import itertools
import os
import signal
import subprocess
import sys

from lab import client, configuration, fixtures
from lab.backends import compile_decapsulation
from lab.decap import DECAP, Decap
from lab.process import wait_until
from lab.topology import BACKENDS, FAMILIES, GUIDEWAY, ROUTER, TUNNEL_VIP, VIP

FIXTURES = [fixtures.SEGMENT]
_COUNT = 40
# Of UDP, whose flows stay with a backend of the pool that an earlier case has used.
_FREE_PORTS = itertools.count(10000, _COUNT)
# Frames with an ACK of no connection, in GUE with one hop. Arguments: backend, hop, client, VIP.
_SEND_ACK = """
import ipaddress, socket, struct, sys, warnings
warnings.filterwarnings("ignore")
from scapy.all import IP, IPv6, TCP
backend, hop, client, vip = sys.argv[1:]
inner = (IPv6 if ":" in vip else IP)(src=client, dst=vip) / TCP(sport=5555, dport=80, flags="A")
packed = ipaddress.ip_address(hop).packed
gue = struct.pack("!BBHHBB", 1 + len(packed) // 4, 41 if ":" in vip else 4, 0,
                  1 if ":" in hop else 0, 0, 1) + packed + bytes(inner)
with socket.socket(socket.AF_INET6 if ":" in backend else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.sendto(gue, (backend, 6080))
"""


class Fixture(fixtures.Running):
    def __init__(self, lab):
        super().__init__(lab, configuration.tunnels(lab), decap=Decap)

    def sums(self):
        """Over all backends."""
        stats = [backend.decap.stats() for backend in self.backends]
        return {verdict: sum(one[verdict] for one in stats) for verdict in stats[0]}

    def assert_served(self, verdict, outer, **details):
        self.use_tunnels(outer, verdict, **details)
        for inner in FAMILIES:
            before = self.sums()
            answers = client.http_requests(self.lab, TUNNEL_VIP[inner], _COUNT)
            assert answers.failed == 0 and set(answers) == set(BACKENDS), answers
            echoes = client.udp_requests(self.lab, TUNNEL_VIP[inner], _COUNT, step=1,
                                         source_port=next(_FREE_PORTS))
            assert echoes.failed == 0, echoes
            after = self.sums()
            assert after[verdict] - before[verdict] >= 6 * _COUNT, (before, after)
            wrong = [name for name in after if after[name] != before[name]
                     and name not in (verdict, "not_ours")]
            assert not wrong, (wrong, before, after)


def test_ipip(fixture):
    for outer in FAMILIES:
        fixture.assert_served("ipip", outer)


def test_gre(fixture):
    for outer in FAMILIES:
        fixture.assert_served("gre", outer)


def test_gue(fixture):
    for outer in FAMILIES:
        fixture.assert_served("gue", outer)


def test_gue_with_hop_lists(fixture):
    for outer in FAMILIES:
        fixture.assert_served("gue", outer, second_chance=True)


def test_l3dsr(fixture):
    fixture.assert_served("l3dsr", None)


def test_l2_beside_it(fixture):
    for family in FAMILIES:
        assert client.http_requests(fixture.lab, VIP[family], _COUNT).failed == 0


def test_next_hop(fixture):
    """An ACK that b1 knows nothing of goes to b2, whose Ethernet address b1 has to ask for."""
    first, second = (fixture.backends[name] for name in BACKENDS[:2])
    for outer in FAMILIES:
        for inner in FAMILIES:
            fixture.lab.execute(first.name, "ip", "neigh", "flush", "dev", "eth0", check=False)
            before = first.decap.stats(), second.decap.stats()
            fixture.lab.execute(GUIDEWAY, sys.executable, "-c", _SEND_ACK,
                                fixture.lab.backend_address(first.name, outer),
                                fixture.lab.backend_address(second.name, outer),
                                "192.0.2.2" if inner == 4 else "2001:db8:c::2", VIP[inner])
            wait_until(lambda: second.decap.stats()["gue"] == before[1]["gue"] + 1,
                       f"b2 takes what b1 passes on, {inner} in {outer}")
            assert first.decap.stats()["next_hop_tcp"] == before[0]["next_hop_tcp"] + 1


def test_a_crash_leaves_traffic_flowing(fixture):
    fixture.use_tunnels(4, "gre")
    decap = fixture.backends["b1"].decap
    assert client.http_requests(fixture.lab, TUNNEL_VIP[4], _COUNT).failed == 0
    before = decap.stats()["gre"]
    decap.process.kill()
    assert client.http_requests(fixture.lab, TUNNEL_VIP[4], _COUNT).failed == 0
    alone = decap.stats()["gre"]
    assert alone > before
    decap.start()  # replaces what is left
    assert decap.stats()["gre"] < alone
    assert client.http_requests(fixture.lab, TUNNEL_VIP[4], _COUNT).failed == 0
    assert decap.stats()["gre"] > 0


def test_end_detach_and_pin(fixture):
    decap = fixture.backends["b3"].decap
    assert decap.process.stop() == 0
    assert decap.tool("stats", check=False).returncode == 1
    assert decap.tool("detach", check=False).returncode == 1
    assert "not attached" in decap.tool("check", check=False).stdout
    assert decap.tool("run", "--from", "198.51.100.0/24", "--pin").returncode == 0
    assert decap.stats()["gre"] == 0
    assert decap.tool("detach").returncode == 0
    assert decap.tool("stats", check=False).returncode == 1
    decap.start()


def _other_tools_program(lab, host, mode="xdpdrv"):
    """Puts a program that is none of ours on the host's eth0, whatever is there."""
    lab.network.ip(host, "-force", "link", "set", "dev", "eth0", mode, "obj",
                   compile_decapsulation(lab.directory), "sec", "xdp")


def test_another_programs_place_is_not_taken(fixture):
    lab, decap = fixture.lab, fixture.backends["b2"].decap
    assert decap.process.stop() == 0
    for mode, word in (("xdpdrv", "native"), ("xdpgeneric", "generic")):
        _other_tools_program(lab, "b2", mode)
        there = lab.network.ip("b2", "link", "show", "eth0").stdout
        refused = decap.tool("run", "--from", "198.51.100.0/24", check=False)
        assert refused.returncode == 1 and "of another tool" in refused.stderr, refused
        assert f"{word} mode" in refused.stderr and "(id " in refused.stderr, refused
        assert decap.tool("detach", check=False).returncode == 1
        assert "of another tool" in decap.tool("check", check=False).stdout
        assert lab.network.ip("b2", "link", "show", "eth0").stdout == there
        assert "guideway_hops" not in lab.execute("b2", "tc", "filter", "show", "dev", "eth0",
                                                  "ingress").stdout
        lab.network.ip("b2", "link", "set", "dev", "eth0", mode, "off")
    decap.start()


def _is_well(decap):
    return decap.tool("check", check=False).stdout == "all is well\n"


def _assert_whole(fixture):
    """Every backend serves, through GRE."""
    for name in BACKENDS:
        wait_until(lambda: _is_well(fixture.backends[name].decap),  # noqa: B023
                   f"{name} is well", timeout_s=5)
    fixture.guideway.wait_serving()
    answers = client.http_requests(fixture.lab, TUNNEL_VIP[4], _COUNT)
    assert answers.failed == 0 and set(answers) == set(BACKENDS), answers


def test_a_program_that_was_taken_off_comes_back(fixture):
    fixture.use_tunnels(4, "gre")
    lab, decap = fixture.lab, fixture.backends["b1"].decap
    lab.network.ip("b1", "link", "set", "dev", "eth0", "xdp", "off")
    wait_until(lambda: "had lost the XDP program: attached again" in decap.process.log(),
               "the XDP program is attached again", timeout_s=2)
    _assert_whole(fixture)
    lab.execute("b1", "tc", "qdisc", "del", "dev", "eth0", "clsact")
    wait_until(lambda: "had lost the tc program: attached again" in decap.process.log(),
               "the tc program is attached again", timeout_s=2)
    _assert_whole(fixture)


def _make_anew(fixture):
    """b1's interface; who knew its MAC address asks again."""
    fixture.lab.make_backend_link_anew("b1")
    for host, interface in ((GUIDEWAY, "eth0"), (ROUTER, "segment")):
        # It says that it is not complete when the kernel has asked again meanwhile.
        fixture.lab.execute(host, "ip", "neigh", "flush", "dev", interface, check=False)


def test_an_interface_that_was_made_anew(fixture):
    fixture.use_tunnels(4, "gre")
    decap = fixture.backends["b1"].decap
    _make_anew(fixture)
    wait_until(lambda: "eth0 was made anew: attached again" in decap.process.log(),
               "the programs are on the new interface", timeout_s=2)
    _assert_whole(fixture)


def test_a_vip_that_comes_later(fixture):
    """It is not well while the programs do not know the VIP, and soon they do."""
    lab, decap = fixture.lab, fixture.backends["b1"].decap
    lab.network.address("b1", "lo", "203.0.113.99/32")
    lab.network.address("b1", "eth0", "198.51.100.99/24")
    for what in ("VIP 203.0.113.99 added", "address 198.51.100.99 added"):
        wait_until(lambda: what in decap.process.log(), what, timeout_s=2)  # noqa: B023
    assert _is_well(decap)
    lab.network.ip("b1", "address", "del", "203.0.113.99/32", "dev", "lo")
    lab.network.ip("b1", "address", "del", "198.51.100.99/24", "dev", "eth0")
    wait_until(lambda: "VIP 203.0.113.99 removed" in decap.process.log(), "it is gone", timeout_s=2)
    # Programs without a process are told of nothing.
    assert decap.process.stop() == 0
    decap.tool("run", "--from", "198.51.100.0/24", "--pin")
    assert _is_well(decap)
    lab.network.address("b1", "lo", "203.0.113.99/32")
    found = decap.tool("check", check=False)
    assert found.returncode == 1 and "do not know VIP 203.0.113.99" in found.stdout, found
    lab.network.ip("b1", "address", "del", "203.0.113.99/32", "dev", "lo")
    decap.start()


def test_what_stays_wrong_ends_it(fixture):
    """Its interface gone for good; another tool's program in its place: exit code 1, and why."""
    lab, decap = fixture.lab, fixture.backends["b1"].decap
    lab.network.ip("b1", "link", "delete", "dev", "eth0")
    wait_until(lambda: not decap.process.running(), "it ends without its interface", timeout_s=9)
    assert decap.process.stop() == 1
    assert "eth0: no such network interface" in decap.process.log(), decap.process.log()
    lab.network.ip("b1", "link", "add", "eth0", "type", "bridge")  # for that to delete
    _make_anew(fixture)
    decap.start()
    _other_tools_program(lab, "b1")
    wait_until(lambda: not decap.process.running(), "it ends for the other tool", timeout_s=3)
    assert decap.process.stop() == 1
    assert "of another tool" in decap.process.log(), decap.process.log()
    assert "prog/xdp" in lab.network.ip("b1", "link", "show", "eth0").stdout
    lab.network.ip("b1", "link", "set", "dev", "eth0", "xdp", "off")
    decap.start()


def test_settings_that_change(fixture):
    lab, decap = fixture.lab, fixture.backends["b1"].decap
    lab.network.sysctl("b1", "net.ipv4.conf.all.arp_ignore=0", "net.ipv4.conf.eth0.arp_ignore=0")
    wait_until(lambda: "wrong: arp_ignore is 0" in decap.process.log(), "it is named", timeout_s=2)
    lab.network.sysctl("b1", "net.ipv4.conf.all.arp_ignore=1")
    wait_until(lambda: "no longer wrong: arp_ignore is 0" in decap.process.log(), "it is over",
               timeout_s=2)


def test_two_runs_on_one_interface(fixture):
    decap = fixture.backends["b1"].decap
    before = decap.stats()
    for arguments in (["run", "--from", "198.51.100.0/24"], ["run", "--from", "1.2.3.0/24", "--pin"],
                      ["detach"]):
        refused = decap.tool(*arguments, check=False)
        assert refused.returncode == 1, refused
        assert "another guideway-decap is at work on eth0" in refused.stderr, refused
    assert decap.process.running()
    assert decap.stats()["not_ours"] >= before["not_ours"]  # counted on: the programs are the same


def test_generic_mode_comes_and_goes(fixture):
    fixture.use_tunnels(4, "gre")
    lab, decap = fixture.lab, fixture.backends["b1"].decap
    assert decap.process.stop() == 0
    decap.process.start(ready="attached", more_arguments=("--mode", "generic"))
    assert "xdpgeneric" in lab.network.ip("b1", "link", "show", "eth0").stdout
    _assert_whole(fixture)
    decap.process.kill()
    decap.process.start(ready="attached", more_arguments=("--mode", "generic"))
    lab.network.ip("b1", "link", "set", "dev", "eth0", "xdpgeneric", "off")
    wait_until(lambda: "attached again" in decap.process.log(), "it is attached again", timeout_s=2)
    assert "xdpgeneric" in lab.network.ip("b1", "link", "show", "eth0").stdout
    assert decap.process.stop() == 0
    assert "xdp" not in lab.network.ip("b1", "link", "show", "eth0").stdout
    decap.process.start(ready="attached", more_arguments=("--mode", "generic"))
    decap.process.kill()
    decap.start()  # in another mode than what is left
    shown = lab.network.ip("b1", "link", "show", "eth0").stdout
    assert "prog/xdp" in shown and "xdpgeneric" not in shown, shown
    _assert_whole(fixture)


def test_signals_do_not_end_it(fixture):
    """Nor does a log that nobody reads: a reader that has gone, and a full pipe."""
    fixture.use_tunnels(4, "gre")
    decap = fixture.backends["b1"].decap
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
                   signal.SIGRTMIN):
        decap.process.signal(number)
    assert decap.process.stop() == 0
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with subprocess.Popen(decap.command(fixture.lab), stdout=writer, stderr=writer,
                          stdin=subprocess.DEVNULL) as run:
        assert b"attached" in os.read(reader, 100)
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writer, b"x" * 1000):
                pass
        for _ in range(2):
            fixture.lab.network.ip("b1", "link", "set", "dev", "eth0", "xdp", "off")
            wait_until(lambda: _is_well(decap), "it works on with a full pipe", timeout_s=3)
            os.close(reader)  # the second time there is no reader any more
            reader = os.open(os.devnull, os.O_RDONLY)
        assert run.poll() is None
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=10) == 0
    for descriptor in (reader, writer):
        os.close(descriptor)
    decap.start()


def test_check_and_setup(fixture):
    decap = fixture.backends["b1"].decap
    fixture.lab.network.sysctl("b1", "net.ipv4.conf.all.arp_ignore=0",
                               "net.ipv4.conf.eth0.arp_ignore=0", "net.ipv4.conf.eth0.rp_filter=1")
    found = decap.tool("check", check=False)
    assert found.returncode == 1 and "arp_ignore" in found.stdout and "rp_filter" in found.stdout
    assert decap.tool("setup").returncode == 0
    assert decap.tool("check").stdout == "all is well\n"
    assert decap.tool("setup").stdout == "nothing to do\n"
    assert decap.tool("check", interface="nope", check=False).returncode == 2
    assert fixture.lab.execute("b1", DECAP, "check", check=False).returncode == 2


def test_statistics_file(fixture):
    decap = fixture.backends["b1"].decap
    path = f"{fixture.lab.directory}/decap.prom"
    decap.tool("stats", "-o", "prometheus", "--file", path)
    with open(path, encoding="ascii") as file:
        text = file.read()
    for verdict in decap.stats():
        assert f'guideway_decap_packets_total{{interface="eth0",verdict="{verdict}"}}' in text
    assert 'guideway_decap_attached{interface="eth0"} 1' in text, text
    assert 'guideway_decap_problems{interface="eth0"} 0' in text, text
    assert [name for name in os.listdir(fixture.lab.directory) if name.startswith("decap.prom")] == \
        ["decap.prom"]
    assert decap.process.stop() == 0
    assert decap.tool("stats", "-o", "prometheus", "--file", path, check=False).returncode == 1
    with open(path, encoding="ascii") as file:
        text = file.read()
    assert 'guideway_decap_attached{interface="eth0"} 0' in text, text
    assert 'guideway_decap_problems{interface="eth0"} 1' in text, text
    decap.start()
