"""A fault of the probes' way alone breaks no connection; what the host cannot do is not probed."""

import time

from lab import client, configuration, fixtures
from lab.process import wait_until
from lab.topology import BACKENDS, GUIDEWAY, VIP

FIXTURES = [fixtures.SEGMENT]
_HTTP = {"type": "http", "port": 80, "path": "/health"}  # and all else by default


class Fixture(fixtures.Probed):
    """The usual one; and a firewall on the Guideway host that traffic does not go by."""


def test_a_cut_way_of_the_probes_breaks_nothing(fixture):
    """45 s, with the default probes, as a wrong firewall rule would do it."""
    fixture.probe(_HTTP)
    downloads = fixture.downloads(90, "/crawl/slow")
    fixture.cut("tcp dport 80")
    began = time.monotonic()
    fixture.wait_all("unhealthy", timeout_s=30)
    wait_until(lambda: "verdicts on 3 are held" in fixture.problems(), "the problem is named")
    answers = client.http_requests(fixture.lab, VIP[4], 40)
    assert answers.failed == 0 and set(answers) == set(BACKENDS), answers
    wait_until(lambda: time.monotonic() - began > 45, "45 s are over", timeout_s=60)
    fixture.mend()
    fixture.wait_all("healthy", timeout_s=30)
    assert downloads.running(), "the downloads were too short"
    wait_until(lambda: "verdicts on" not in fixture.problems(), "the problem is gone")
    assert not downloads.broken(timeout_s=100)


def test_orders_by_hand_end_a_held_pool(fixture):
    """As docs/operations.md advises when the prober is at fault."""
    fixture.probe(_HTTP)
    fixture.cut("tcp dport 80")
    said = "pool web: failed open, those that were healthy before get new flows"
    wait_until(lambda: said in fixture.problems(), "the pool is held", timeout_s=30)
    for backend in BACKENDS:
        fixture.guideway.cli("backend", "force-health", "web", backend, "healthy")
    wait_until(lambda: fixture.guideway.cli("status").stdout.startswith("all is well"), "all is well")
    fixture.guideway.cli("backend", "force-health", "web", "b2", "unhealthy")
    wait_until(lambda: fixture.guideway.backends("web")["b2"]["share"] == 0, "b2 gets nothing")
    assert "failed open" not in fixture.problems(), fixture.problems()
    fixture.mend()
    for backend in BACKENDS:
        fixture.guideway.cli("backend", "force-health", "web", backend, "probed")
    fixture.wait_all("healthy")


def test_recovery_is_in_step(fixture):
    """The first that answers again does not get everything."""
    fixture.probe(configuration.PROBE)
    for name in BACKENDS:
        fixture.cut(f"ip daddr {fixture.lab.backend_address(name)} tcp dport 80")
    fixture.wait_all("unhealthy")
    downloads = fixture.downloads(30)
    handle = fixture.lab.execute(GUIDEWAY, "nft", "-a", "list", "chain", "inet", "cut",
                                 "out").stdout.split("# handle ")[2].split()[0]
    shares = []

    def first_is_back():
        backends = fixture.guideway.backends("web")
        shares.append([round(backends[name]["share"], 1) for name in BACKENDS])
        return backends["b1"]["health"] == "healthy"

    fixture.lab.execute(GUIDEWAY, "nft", f"delete rule inet cut out handle {handle}")
    wait_until(first_is_back, "the first is back")
    fixture.mend()
    fixture.wait_all("healthy")
    assert all(share == [0.3, 0.3, 0.3] for share in shares), shares
    assert not downloads.broken()


def test_who_was_dead_before_stays_out(fixture):
    fixture.probe(configuration.PROBE)
    fixture.backends["b3"].nginx.stop()
    fixture.guideway.wait_health("web", "b3", "unhealthy")
    fixture.guideway.wait_in_step()
    fixture.cut("tcp dport 80")
    fixture.wait_all("unhealthy")
    fixture.guideway.wait_in_step()
    answers = client.http_requests(fixture.lab, VIP[4], 40)
    fixture.mend()
    fixture.backends["b3"].start_nginx()
    fixture.wait_all("healthy")
    assert answers.failed == 0 and set(answers) == {"b1", "b2"}, answers


def test_many_at_once_keep_their_flows(fixture):
    """The way to two of three is cut: new flows go to the third, known ones stay."""
    fixture.probe(configuration.PROBE_OF_MANY)
    downloads = fixture.downloads(30)
    for name in ("b1", "b2"):
        fixture.cut(f"ip daddr {fixture.lab.backend_address(name)} tcp dport 80")
    fixture.wait_all("unhealthy", ("b1", "b2"))
    fixture.guideway.wait_in_step()
    answers = client.http_requests(fixture.lab, VIP[4], 40)
    assert answers.failed == 0 and set(answers) == {"b3"}, answers
    assert not downloads.broken()
    fixture.mend()
    fixture.wait_all("healthy")


def test_unhealthy_keeps_flows(fixture):
    """The way to one is cut, which nothing tells from its death; the pool wants its flows kept."""
    fixture.probe(configuration.PROBE, unhealthy_keeps_flows=True)
    downloads = fixture.downloads(30)
    fixture.cut(f"ip daddr {fixture.lab.backend_address('b1')} tcp dport 80")
    fixture.wait_all("unhealthy", ("b1",))
    fixture.guideway.wait_in_step()
    answers = client.http_requests(fixture.lab, VIP[4], 40)
    assert answers.failed == 0 and set(answers) == {"b2", "b3"}, answers
    assert not downloads.broken()
    fixture.mend()
    fixture.wait_all("healthy")


def test_what_a_dead_backend_costs_clients_that_keep_their_connections(fixture):
    """Why unhealthy_keeps_flows is off by default; docs/probes.md has the figures."""
    timeout_s = 6
    for keeps in (False, True):
        fixture.probe(configuration.PROBE, unhealthy_keeps_flows=keeps)
        clients = client.KeptConnections(fixture.lab, VIP[4], 30, timeout_s).start()
        # As if the host were off.
        fixture.lab.execute("b1", "nft", "add table inet dead; add chain inet dead in "
                            "{ type filter hook input priority 0; policy drop; }")
        fixture.guideway.wait_health("web", "b1", "unhealthy")
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > timeout_s * 1.5, "clients have noticed",
                   timeout_s=timeout_s * 2)
        result = clients.stop()
        print(f"unhealthy_keeps_flows {keeps}: {result}", flush=True)
        fixture.lab.execute("b1", "nft", "delete table inet dead")
        fixture.wait_all("healthy")
        if keeps:
            assert result["errors"].keys() == {"TimeoutError"} and result["longest_s"] > timeout_s, result
        else:
            assert "TimeoutError" not in result["errors"] and result["longest_s"] < timeout_s, result


def test_udp_probes_that_may_not_leave_are_not_probed(fixture):
    fixture.probe({"type": "udp", "port": 9000, "send": "probe", "interval": "200ms",
                   "timeout": "200ms", "rise": 2, "fall": 2})
    fixture.cut("udp dport 9000")
    wait_until(lambda: "not probed" in fixture.problems(), "the problem is named")
    seen = fixture.guideway.backends("web")
    assert all(backend["health"] == "healthy" for backend in seen.values()), seen
    assert "Operation not permitted" in fixture.problems(), fixture.problems()
    assert client.http_requests(fixture.lab, VIP[4], 20).failed == 0
    fixture.mend()
    wait_until(lambda: "not probed" not in fixture.problems(), "they are probed again")
    fixture.wait_all("healthy")


def test_probes_that_the_host_itself_rejects_are_not_probed(fixture):
    fixture.probe(configuration.PROBE | {"interval": "2s", "timeout": "2s"})
    fixture.cut("tcp dport 80", "reject")
    wait_until(lambda: "not probed" in fixture.problems(), "the problem is named")
    seen = fixture.guideway.backends("web")
    assert all(backend["health"] == "healthy" for backend in seen.values()), seen
    fixture.mend()
    wait_until(lambda: "not probed" not in fixture.problems(), "they are probed again")


def test_another_name_keeps_the_verdicts(fixture):
    fixture.probe(_HTTP)
    fixture.backends["b2"].nginx.stop()
    fixture.guideway.wait_health("web", "b2", "unhealthy", timeout_s=30)
    config = configuration.l2(fixture.lab, probe=_HTTP | {"timeout": "2s"})
    config["pools"][0]["name"] = "shop"
    for vip in config["vips"]:
        vip["pool"] = "shop"
    with client.Load(fixture.lab, VIP[4], VIP[6]) as load:
        fixture.guideway.write_config(config)
        fixture.guideway.cli("apply", "-f", fixture.guideway.config_path, "--force")
        fixture.guideway.wait_in_step()
        assert fixture.guideway.backends("shop")["b2"]["health"] == "unhealthy"
        answers = client.http_requests(fixture.lab, VIP[4], 40)
        assert "b2" not in load.stop()
    assert answers.failed == 0 and "b2" not in answers, answers
    fixture.backends["b2"].start_nginx()
    fixture.probe(configuration.PROBE)


def test_a_restart_of_everything_keeps_the_verdicts(fixture):
    fixture.probe(_HTTP)
    fixture.backends["b2"].nginx.stop()
    fixture.guideway.wait_health("web", "b2", "unhealthy", timeout_s=30)
    path = f"{fixture.lab.directory}/state/health-verdicts"
    with open(path, encoding="ascii") as file:
        before = file.read()
    wait_until(lambda: " unhealthy " in _read(path), f"{path} has it, not {before!r}")
    fixture.guideway.controlplane.kill()
    fixture.guideway.dataplane.kill()
    fixture.guideway.start_dataplane()
    fixture.guideway.start_controlplane()
    wait_until(lambda: int(fixture.guideway.status()["dataplane_generation"]) > 0, "there are tables")
    answers = client.http_requests(fixture.lab, VIP[4], 40)
    assert answers.failed == 0 and "b2" not in answers, answers
    fixture.backends["b2"].start_nginx()
    fixture.guideway.wait_health("web", "b2", "healthy", timeout_s=30)


def _read(path):
    with open(path, encoding="ascii") as file:
        return file.read()
