"""What becomes of a port while the data plane runs: adopted, named, or opened again by a new process."""

import json
import re
import time

from lab import client, configuration, fixtures
from lab.process import run, wait_until
from lab.topology import GUIDEWAY, SEGMENT, VIP

FIXTURES = [fixtures.SEGMENT]


class Fixture(fixtures.Running):
    """One worker on an interface with one queue; MTU and queues can be changed."""

    def __init__(self, lab):
        super().__init__(lab, configuration.l2(lab))

    def ip(self, *arguments):
        self.lab.network.ip(GUIDEWAY, *arguments)

    def problems(self):
        return "\n".join(fixtures.problem_lines(self.guideway))

    def wait_named(self, text):
        wait_until(lambda: re.search(text, self.problems()), f"{text} is named", timeout_s=3)
        assert len(self.guideway.dataplane.log().splitlines()) < 200, "a line a second"

    def wait_well(self):
        wait_until(lambda: not self.problems(), "no problem is left")
        self.guideway.wait_serving()
        assert client.http_requests(self.lab, VIP[4], 20).failed == 0

    def port(self):
        return json.loads(self.guideway.cli("-o", "json", "status", check=False).stdout)["ports"][0]

    def receive_missed(self):
        return int(self.guideway.stats()["ports"][0]["receive_missed"])

    def make_anew(self):
        """The interface as the lab made it, under another index."""
        self.lab.rejoin_guideway()


def test_an_interface_made_anew_is_served_again(fixture):
    """The process ends with a reason, and the next one finds the interface and the flows."""
    download = client.Download(fixture.lab, VIP[4]).start()
    wait_until(lambda: download.bytes_so_far() > 0, "the download began")
    fixture.ip("link", "del", "eth0")
    fixture.wait_named("port eth0: its interface is gone")
    assert fixture.guideway.dataplane.running()  # other ports would go on
    fixture.make_anew()
    began = time.monotonic()
    wait_until(lambda: not fixture.guideway.dataplane.running(), "the data plane has ended", 5)
    assert time.monotonic() - began < 2, "it took long to notice"
    assert fixture.guideway.dataplane.stop() == 1
    assert "port eth0: the interface was made anew" in fixture.guideway.dataplane.log()
    fixture.guideway.start_dataplane()
    fixture.wait_well()
    wait_until(download.ended, "the download ended", timeout_s=60)
    assert download.sha256() == fixture.backends.download_sha256


def test_an_interface_that_was_away_in_another_namespace(fixture):
    """It keeps its index, but the sockets have lost it for good."""
    fixture.ip("link", "set", "eth0", "netns", fixture.lab.network.name(SEGMENT))
    run("ip", "-n", fixture.lab.network.name(SEGMENT), "link", "set", "eth0", "netns",
        fixture.lab.network.name(GUIDEWAY))
    fixture.ip("link", "set", "eth0", "up")
    wait_until(lambda: not fixture.guideway.dataplane.running(), "the data plane has ended", 5)
    assert fixture.guideway.dataplane.stop() == 1
    fixture.lab.number_guideway()
    fixture.guideway.start_dataplane()
    fixture.wait_well()


def test_a_queue_without_a_worker_is_named_and_its_packets_are_counted(fixture):
    before = fixture.receive_missed()
    run("ip", "netns", "exec", fixture.lab.network.name(GUIDEWAY), "ethtool", "-L", "eth0", "rx", "2")
    fixture.wait_named(r"port eth0: it has 2 receive queue\(s\) and there are 1 worker")
    answers = client.http_requests(fixture.lab, VIP[4], 50)
    assert set(answers), "nobody answers, though the first queue is served"
    if answers.failed:
        assert fixture.receive_missed() >= before + answers.failed, "lost packets were not counted"
    run("ip", "netns", "exec", fixture.lab.network.name(GUIDEWAY), "ethtool", "-L", "eth0", "rx", "1")
    fixture.wait_well()


def test_mtu_and_mac_address_are_adopted(fixture):
    fixture.ip("link", "set", "eth0", "mtu", "1400")
    wait_until(lambda: fixture.port()["mtu_bytes"] == 1400, "the MTU is adopted", timeout_s=3)
    fixture.ip("link", "set", "eth0", "mtu", "3300")
    fixture.wait_named("port eth0: its MTU is 3300, and the buffers hold")
    assert 1500 <= fixture.port()["mtu_bytes"] < 3300, fixture.port()
    fixture.ip("link", "set", "eth0", "mtu", "1500")
    before = fixture.port()["mac"]
    fixture.ip("link", "set", "eth0", "address", "02:00:00:00:77:01")
    wait_until(lambda: fixture.port()["mac"] == "02:00:00:00:77:01", "the address is adopted", 3)
    fixture.wait_well()
    fixture.ip("link", "set", "eth0", "address", before)
    wait_until(lambda: fixture.port()["mac"] == before, "the address is adopted", timeout_s=3)
    fixture.wait_well()


def test_a_link_that_is_down_is_named(fixture):
    run("ip", "-n", fixture.lab.network.name(SEGMENT), "link", "set", GUIDEWAY, "down")
    fixture.wait_named("port eth0: its link is down")
    run("ip", "-n", fixture.lab.network.name(SEGMENT), "link", "set", GUIDEWAY, "up")
    fixture.wait_well()


def test_a_program_that_was_taken_off_is_put_on_again(fixture):
    fixture.ip("link", "set", "eth0", "xdp", "off")
    wait_until(lambda: "prog/xdp" in fixture.lab.network.ip(GUIDEWAY, "link", "show", "eth0").stdout,
               "the program is on again", timeout_s=3)
    fixture.wait_well()


def test_a_renamed_interface_goes_on(fixture):
    fixture.ip("link", "set", "eth0", "name", "lan0")
    fixture.wait_named("port eth0: its interface is called lan0")
    wait_until(lambda: fixture.port()["kernel_interface"] == "lan0", "the name is adopted", 3)
    wait_until(lambda: client.http_requests(fixture.lab, VIP[4], 5).failed == 0, "it serves")
    fixture.ip("link", "set", "lan0", "name", "eth0")
    fixture.wait_well()


def test_faults_are_in_the_data_planes_own_file(fixture):
    run("ip", "-n", fixture.lab.network.name(SEGMENT), "link", "set", GUIDEWAY, "down")
    path = fixture.guideway.channel.removesuffix(".sock") + ".prom"

    def named():
        with open(path, encoding="ascii") as file:
            return 'guideway_dataplane_port_fault{port="eth0",fault="link-down"} 1' in file.read()
    wait_until(named, "the fault is in the file", timeout_s=3)
    run("ip", "-n", fixture.lab.network.name(SEGMENT), "link", "set", GUIDEWAY, "up")
    fixture.wait_well()
