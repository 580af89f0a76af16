"""Health probes through the tunnel (`via: tunnel`): a backend that does not take its traffic apart, or
has no VIP, is unhealthy although its own address answers."""

from lab import configuration, fixtures
from lab.backends import HTTP_PORT, L3DSR_DSCP
from lab.guideway import CONTROLPLANE
from lab.process import wait_until
from lab.topology import FAMILIES, GUIDEWAY, TUNNEL_VIP, VIP

FIXTURES = [fixtures.SEGMENT, fixtures.TWO_PORT]
DEVICE = "guideway-probe"
_TABLE = "26487"
CARRIERS = {"ipip": {}, "gre": {}, "gue": {"port": 6080, "second_chance": True}}
PROBE = {**configuration.PROBE, "via": "tunnel"}
TCP_PROBE = {"type": "tcp", "port": HTTP_PORT, "interval": "200ms", "timeout": "200ms", "rise": 2,
             "fall": 2, "via": "tunnel"}


def pools_and_vips(lab):
    """A pool for every encapsulation and pair of families, and the VIP that its probes go to."""
    pools, vips = [], []

    def add(name, encapsulation, inner, outer, address, **more):
        probe = PROBE if len(pools) % 2 else TCP_PROBE
        pools.append({**configuration.pool(lab, name, encapsulation, outer, probe=probe), **more})
        vips.append({"name": f"vip-{name}", "address": address[inner], "port": 20000 + len(pools),
                     "protocol": "tcp", "pool": name})

    for carrier, gue in CARRIERS.items():
        for inner in FAMILIES:
            for outer in FAMILIES:
                add(f"{carrier}-{inner}in{outer}", carrier, inner, outer, TUNNEL_VIP,
                    **({"gue": gue} if gue else {}))
    for family in FAMILIES:
        add(f"l3dsr-{family}", "l3dsr", family, family, TUNNEL_VIP, dscp=L3DSR_DSCP)
        add(f"l2-{family}", "l2", family, family, VIP)
    return pools, vips


class Fixture(fixtures.Running):
    def __init__(self, lab):
        pools, vips = pools_and_vips(lab)
        self.pools = [pool["name"] for pool in pools]
        self.tunnels = [name for name in self.pools if not name.startswith("l2")]
        super().__init__(lab, {"flow_hash_secret": "a secret of the whole lab", "settle_time": "5s",
                               "pools": pools, "vips": vips})

    def wait_backend(self, backend, unhealthy):
        """The backend is unhealthy in the pools `unhealthy` and healthy in all others."""
        def as_wanted():
            found = {entry["pool"] for entry in self.guideway.json("backend", "list")
                     if entry["name"] == backend and entry["health"] != "healthy"}
            return found == set(unhealthy)
        wait_until(as_wanted, f"{backend} is unhealthy in {unhealthy} only", poll_s=0.05)

    def all_healthy(self):
        return all(entry["health"] == "healthy" for entry in self.guideway.json("backend", "list"))

    def left_behind(self):
        """What there is of rules, routes and the device."""
        ip = self.lab.network.ip
        rules = [line for family in ("-4", "-6")
                 for line in ip(GUIDEWAY, family, "rule", "show").stdout.splitlines()
                 if "fwmark" in line]
        routes = [line for family in ("-4", "-6") for line in self.lab.execute(
            GUIDEWAY, "ip", family, "route", "show", "table", _TABLE,
            check=False).stdout.splitlines()]
        devices = [line for line in ip(GUIDEWAY, "-o", "link", "show").stdout.splitlines()
                   if DEVICE in line]
        return rules, routes, devices


def test_probes_come_in_the_traffics_encapsulation(fixture):
    for backend in fixture.backends:
        before = backend.decapsulated()
        wait_until(lambda: all(count > before[kind]  # pylint: disable=cell-var-from-loop
                               for kind, count in backend.decapsulated().items()),
                   f"{backend.name} is probed in every encapsulation")


def test_no_decapsulation_is_unhealthy(fixture):
    backend = fixture.backends["b2"]
    fixture.lab.network.ip("b2", "link", "set", "dev", "eth0", "xdpdrv", "off")
    fixture.wait_backend("b2", unhealthy=fixture.tunnels)
    url = f"http://{fixture.lab.backend_address('b2')}:{HTTP_PORT}/health"
    assert fixture.lab.execute(GUIDEWAY, "curl", "-sf", "-m", 2, url).stdout == "ok\n"
    for name in ("b1", "b3"):
        fixture.wait_backend(name, unhealthy=[])
    backend.load_decapsulation(f"{fixture.lab.directory}/decapsulate.o")
    fixture.wait_backend("b2", unhealthy=[])


def test_no_vip_is_unhealthy(fixture):
    for vips, part in ((VIP, "l2-"), (TUNNEL_VIP, "gue-")):
        for family in FAMILIES:
            pools = [pool for pool in fixture.pools
                     if pool.startswith(f"{part}{family}")
                     or vips is TUNNEL_VIP and pool.startswith(("ipip-%d" % family, "gre-%d" % family,
                                                                "l3dsr-%d" % family))]
            prefix = f"{vips[family]}/{32 if family == 4 else 128}"
            fixture.lab.network.ip("b3", "address", "del", prefix, "dev", "lo")
            fixture.wait_backend("b3", unhealthy=pools)
            fixture.lab.network.address("b3", "lo", prefix)
            fixture.wait_backend("b3", unhealthy=[])


def test_a_stopped_server_is_unhealthy(fixture):
    fixture.backends["b1"].nginx.stop()
    fixture.wait_backend("b1", unhealthy=fixture.pools)
    fixture.backends["b1"].start_nginx()
    fixture.wait_backend("b1", unhealthy=[])


def test_a_dead_backend_is_unhealthy(fixture):
    """First it does not answer, then the kernel finds no Ethernet address for it any more."""
    ip = fixture.lab.network.ip
    ip("b1", "link", "set", "eth0", "down")
    fixture.wait_backend("b1", unhealthy=fixture.pools)
    for family in FAMILIES:
        ip(GUIDEWAY, "neigh", "del", fixture.lab.backend_address("b1", family), "dev",
           fixture.lab.interfaces[-1])
    pools = ("ipip-4in4", "ipip-6in6", "l2-4", "l2-6")

    def unresolved():
        reasons = [fixture.guideway.backends(pool)["b1"]["health_reason"] for pool in pools]
        return all("does not answer" in reason for reason in reasons)
    wait_until(unresolved, "the kernel has given up", timeout_s=20)
    ip("b1", "link", "set", "eth0", "up")
    for family in FAMILIES:  # a link that goes down loses routes, and its IPv6 addresses
        address = fixture.lab.backend_address("b1", family)
        fixture.lab.network.ip("b1", "address", "replace", f"{address}/{24 if family == 4 else 64}",
                               "dev", "eth0")
        ip("b1", "route", "replace", "default", "via", address.removesuffix("21") + "1")
    fixture.wait_backend("b1", unhealthy=[])


def test_a_strict_reverse_path_filter_is_named(fixture):
    """It drops answers from IPv4 VIPs where the route to these is by another port."""
    network = fixture.lab.network
    interface = fixture.lab.interfaces[-1]  # where the backends are
    network.sysctl(GUIDEWAY, f"net.ipv4.conf.{interface}.rp_filter=1")
    try:
        if fixture.lab.two_port:
            # To an IPv6 backend the probe comes from where the VIP's route leads, and so does the answer.
            fixture.wait_backend("b1", unhealthy=[pool for pool in fixture.pools
                                                  if pool.endswith(("-4", "-4in4"))])
            reason = fixture.guideway.backends("l2-4")["b1"]["health_reason"]
            assert f"net.ipv4.conf.{interface}.rp_filter is strict" in reason, reason
        else:
            wait_until(fixture.all_healthy, "everything is healthy")
        network.sysctl(GUIDEWAY, f"net.ipv4.conf.{interface}.rp_filter=2")
        fixture.guideway.wait_serving()
    finally:
        network.sysctl(GUIDEWAY, f"net.ipv4.conf.{interface}.rp_filter=0")


def test_nothing_is_left_behind(fixture):
    guideway = fixture.guideway
    rules, routes, devices = fixture.left_behind()
    assert len(rules) == 2 and len(routes) == 2 and len(devices) == 1, (rules, routes, devices)
    assert guideway.controlplane.stop() == 0
    assert fixture.left_behind() == ([], [], [])
    guideway.start_controlplane()
    guideway.wait_serving()
    guideway.controlplane.kill()
    rules, routes, devices = fixture.left_behind()
    assert len(rules) == 2 and not routes and not devices, (rules, routes, devices)
    guideway.start_controlplane()
    guideway.wait_serving()
    rules, routes, devices = fixture.left_behind()
    assert len(rules) == 2 and len(routes) == 2 and len(devices) == 1, (rules, routes, devices)
    # What a crash left goes, too, if the next configuration has no such probes.
    guideway.controlplane.kill()
    guideway.write_config({**fixture.config, "pools": [
        {**pool, "probe": {**pool["probe"], "via": "direct"}} for pool in fixture.config["pools"]]})
    guideway.start_controlplane()
    guideway.wait_serving()
    assert fixture.left_behind() == ([], [], [])
    guideway.apply(fixture.config)
    wait_until(lambda: all(map(bool, fixture.left_behind())), "the anchor is back")


def test_the_anchor_is_mended(fixture):
    """Somebody removes parts of it: no backend is taken for unhealthy, and it comes back."""
    ip = fixture.lab.network.ip
    for damage in (("-4", "rule", "del", "priority", 1), ("-6", "rule", "del", "priority", 1),
                   ("link", "set", DEVICE, "down"), ("link", "del", DEVICE)):
        ip(GUIDEWAY, *damage)

        def mended():
            assert all(entry["health"] == "healthy"
                       for entry in fixture.guideway.json("backend", "list"))
            rules, routes, devices = fixture.left_behind()
            return len(rules) == 2 and len(routes) == 2 and devices and "UP" in devices[0]
        wait_until(mended, f"the anchor is whole after {damage}", timeout_s=15, poll_s=0.1)
    fixture.guideway.wait_serving()


def test_what_is_not_probed_keeps_its_health(fixture):
    """Without IPv6 on the device, IPv6 VIPs cannot be probed, and status says so."""
    setting = f"net.ipv6.conf.{DEVICE}.disable_ipv6"
    fixture.lab.network.sysctl(GUIDEWAY, f"{setting}=1")

    def told():
        return "not probed, health stays" in fixture.guideway.cli("status", check=False).stdout
    wait_until(told, "status has the problem")
    assert fixture.all_healthy()
    fixture.lab.network.sysctl(GUIDEWAY, f"{setting}=0")
    wait_until(lambda: not told(), "all backends are probed again")
    assert fixture.all_healthy()


def test_what_cannot_be_probed_is_a_problem(fixture):
    """Another device of that name is there, from the start and later on."""
    ip = fixture.lab.network.ip
    guideway = fixture.guideway
    guideway.controlplane.stop()
    ip(GUIDEWAY, "link", "add", DEVICE, "type", "veth", "peer", "name", "other")
    guideway.start_controlplane()
    guideway.wait_in_step()
    text = guideway.cli("status", check=False).stdout
    assert f"warning probe-tunnel: no probes through tunnels: make device {DEVICE}" in text, text
    entries = guideway.json("backend", "list")
    # The verdicts are those from before the restart.
    assert all(entry["health"] == "healthy" for entry in entries), entries
    assert all("not probed: no probes through tunnels" in entry["health_reason"]
               for entry in entries), entries
    shares = [entry["share"] for entry in entries]  # all get flows, as if there were no probes
    assert min(shares) > 0, entries
    ip(GUIDEWAY, "link", "del", DEVICE)
    wait_until(lambda: guideway.status()["well"], "the probes run again")


def test_without_privilege_status_says_so(fixture):
    """CAP_NET_ADMIN is dropped before the control plane starts; nothing of it is left behind."""
    guideway = fixture.guideway
    guideway.controlplane.stop()
    unprivileged = fixture.lab.process(
        "unprivileged", GUIDEWAY, "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin",
        CONTROLPLANE, "--config", guideway.config_path, f"--dataplane_socket={guideway.channel}",
        f"--socket={guideway.socket}", f"--state_directory={fixture.lab.directory}/state")
    unprivileged.start(ready="ready")
    guideway.wait_in_step()
    text = guideway.cli("status", check=False).stdout
    assert f"make device {DEVICE} (needs CAP_NET_ADMIN)" in text, text
    assert all(entry["share"] > 0 and "not probed: no probes" in entry["health_reason"]
               for entry in guideway.json("backend", "list"))
    assert unprivileged.stop() == 0
    assert fixture.left_behind() == ([], [], [])
    guideway.start_controlplane()
    guideway.wait_serving()
