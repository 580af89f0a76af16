"""A NIC that the kernel cannot see, as a PCI NIC bound to vfio-pci is: a DPDK virtual device takes its
place. The host's own traffic goes through the kernel twin, next hops come from it."""

from lab import client, configuration, fixtures
from lab.backends import Backends
from lab.guideway import Guideway
from lab.process import wait_until
from lab.topology import FAMILIES, GUIDEWAY, ROUTER, SEGMENT, TUNNEL_VIP, VIP

FIXTURES = [fixtures.SEGMENT]
CABLE = "cable"  # what is plugged into the NIC, as an interface of the segment
TWIN = "gw0"


class Fixture(fixtures.Running):
    """The segment lab whose Guideway host has a virtual NIC instead of eth0."""

    def __init__(self, lab):  # pylint: disable=super-init-not-called  (the order differs)
        self.lab = lab
        self.backends = Backends(lab)
        self.config = configuration.tunnels(lab)
        for pool in self.config["pools"]:
            pool["probe"] = {**pool["probe"], "via": "tunnel"}
        lab.network.ip(GUIDEWAY, "link", "del", "eth0")
        self.guideway = Guideway(lab, self.config, ports=[
            f"--port=vdev:net_tap0,iface={CABLE},mac=fixed", "--kernel_twin=all"])
        self.start_dataplane()
        self.guideway.start_controlplane()
        self.guideway.wait_serving()

    def start_dataplane(self):
        self.guideway.start_dataplane()
        net = self.lab.network
        net.ip(GUIDEWAY, "link", "set", CABLE, "netns", net.name(SEGMENT))
        # The cable's end is not the NIC: the bridge would keep what is for its own ports' addresses.
        net.ip(SEGMENT, "link", "set", CABLE, "address", "02:00:00:00:00:fe", "up", "master", "br0")
        for family, length in ((4, 24), (6, 64)):
            net.address(GUIDEWAY, TWIN, f"{self.lab.guideway_address(family)}/{length}")
            router = self.lab.guideway_address(family).removesuffix("10") + "1"
            net.route(GUIDEWAY, "default", "via", router)


def test_the_hosts_own_traffic_goes_through_the_twin(fixture):
    # What the kernel sent before the cable was plugged in (its own multicast) is rightly lost.
    lost_before = fixture.guideway.stats()["ports"][0]["kernel_twin_lost_packets"]
    for family in FAMILIES:
        fixture.lab.execute(ROUTER, "ping", "-c", "5", "-i", "0.05", "-W", "1",
                            fixture.lab.guideway_address(family))
    stats = fixture.guideway.stats()
    assert stats["to_kernel_packets"] >= 10, stats
    port = stats["ports"][0]
    assert port["name"] == "net_tap0" and port["from_kernel_packets"] >= 10, port
    assert port["kernel_twin_lost_packets"] == lost_before, port


def test_flows_are_forwarded(fixture):
    for vips in (VIP, TUNNEL_VIP):
        for family in FAMILIES:
            answers = client.http_requests(fixture.lab, vips[family], 20)
            assert answers.failed == 0 and len(answers) > 1, answers


def test_probes_through_the_tunnel_leave_by_the_twin(fixture):
    """All pools are probed so, but that no VIP leads to tunnel6."""
    assert fixture.guideway.health("tunnel6", "b2") == "unprobed"
    fixture.lab.network.ip("b2", "link", "set", "dev", "eth0", "xdpdrv", "off")
    fixture.guideway.wait_health("tunnel4", "b2", "unhealthy")
    assert fixture.guideway.health("web", "b2") == "healthy"
    fixture.backends["b2"].load_decapsulation(f"{fixture.lab.directory}/decapsulate.o")
    fixture.guideway.wait_health("tunnel4", "b2", "healthy")


def test_what_is_for_nobody_is_the_kernels(fixture):
    """A port of the VIP's address that is no VIP: the kernel has no such address and says so."""
    before = fixture.guideway.stats()["to_kernel_packets"]
    fixture.lab.execute("client", "curl", "-s", "-m", "1", f"http://{VIP[4]}:81/", check=False)
    wait_until(lambda: fixture.guideway.stats()["to_kernel_packets"] > before,
               "the kernel got the packet")


def test_the_twin_goes_with_the_data_plane(fixture):
    assert fixture.guideway.dataplane.stop() == 0
    assert TWIN not in fixture.lab.network.ip(GUIDEWAY, "link", "show").stdout
    fixture.start_dataplane()
    fixture.guideway.wait_serving()
    assert client.http_requests(fixture.lab, VIP[6], 10).failed == 0
