"""The host that Guideway runs on keeps its own network; flags and files that are wrong are refused."""

import os
import signal

from lab import client, fixtures, guideway
from lab.backends import compile_decapsulation
from lab.process import run, wait_until
from lab.topology import FAMILIES, GUIDEWAY, ROUTER, VIP

FIXTURES = [fixtures.SEGMENT, fixtures.TWO_PORT]
ONLY = {name: ["segment"] for name in (
    "test_bad_flags_are_refused", "test_bad_configuration_is_refused", "test_exit_codes_of_the_cli",
    "test_the_socket_is_private", "test_an_interface_has_one_data_plane",
    "test_another_tools_program_is_refused_and_stays",
    "test_another_tools_program_that_came_meanwhile_stays", "test_a_refused_start_leaves_nothing")}


class Fixture(fixtures.Running):
    """The usual one."""

    def assert_host_reachable(self):
        for family in FAMILIES:
            self.lab.execute(ROUTER, "ping", "-c", "3", "-i", "0.05", "-W", "1",
                             self.lab.guideway_address(family))
        self.lab.execute(GUIDEWAY, "ping", "-c", "3", "-i", "0.05", "-W", "1",
                         self.lab.backend_address("b1"))

    def programs(self):
        """Interfaces of the Guideway host with an XDP program."""
        return [interface for interface in self.lab.interfaces
                if "prog/xdp" in self.lab.network.ip(GUIDEWAY, "link", "show", interface).stdout]


def test_host_traffic_with_and_without_data_plane(fixture):
    assert fixture.programs() == fixture.lab.interfaces
    fixture.assert_host_reachable()
    assert fixture.guideway.dataplane.stop() == 0
    assert fixture.programs() == []
    fixture.assert_host_reachable()
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_serving()
    fixture.assert_host_reachable()
    assert client.http_requests(fixture.lab, VIP[4], 10).failed == 0


def test_host_traffic_after_a_killed_data_plane(fixture):
    fixture.guideway.dataplane.kill()
    fixture.assert_host_reachable()
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_serving()
    assert client.http_requests(fixture.lab, VIP[6], 10).failed == 0


def test_signals_under_load(fixture):
    """SIGTERM and SIGINT in the middle of traffic: exit code 0, and service afterwards."""
    for number in (signal.SIGTERM, signal.SIGINT):
        download = client.Download(fixture.lab, VIP[4]).start()
        wait_until(lambda: download.bytes_so_far() > 0, "the download began")  # noqa: B023
        fixture.guideway.dataplane.signal(number)
        wait_until(lambda: not fixture.guideway.dataplane.running(), "the data plane ended")
        assert fixture.guideway.dataplane.stop() == 0
        assert "stopped: received" in fixture.guideway.dataplane.log()
        fixture.guideway.start_dataplane()
        fixture.guideway.wait_serving()
        wait_until(download.ended, "the download ended", timeout_s=60)
        assert download.sha256() == fixture.backends.download_sha256


def test_an_interface_has_one_data_plane(fixture):
    """A second one on the same interface ends with a reason; the first goes on."""
    done = fixture.lab.execute(
        GUIDEWAY, guideway.DATAPLANE, "--port=eth0", "--idle=adaptive",
        f"--channel={fixture.lab.directory}/second.sock",
        f"--flow_table_directory={fixture.lab.directory}/second", "--flows=4096", check=False,
        timeout_s=20)
    assert done.returncode == 1, done
    assert "eth0: another data plane is using the interface" in done.stderr, done.stderr
    assert fixture.programs() == ["eth0"]  # the first one's program was not touched
    assert client.http_requests(fixture.lab, VIP[4], 10).failed == 0


def test_another_tools_program_is_refused_and_stays(fixture):
    """By a start that would work, and by one that fails for another reason, too."""
    lab = fixture.lab
    assert fixture.guideway.dataplane.stop() == 0
    for mode, word in (("xdpdrv", "native"), ("xdpgeneric", "generic")):
        lab.network.ip(GUIDEWAY, "link", "set", "dev", "eth0", mode, "obj",
                       compile_decapsulation(lab.directory), "sec", "xdp")
        there = lab.network.ip(GUIDEWAY, "link", "show", "eth0").stdout
        assert "prog/xdp" in there
        for workers in (1, 2):  # there is one queue
            done = lab.execute(
                GUIDEWAY, guideway.DATAPLANE, "--port=eth0", f"--workers={workers}",
                "--idle=adaptive", f"--channel={lab.directory}/second.sock",
                f"--flow_table_directory={lab.directory}/second", "--flows=4096", check=False,
                timeout_s=20)
            assert done.returncode == 1, done
            assert "of another tool" in done.stderr and f"{word} mode" in done.stderr, done.stderr
            assert lab.network.ip(GUIDEWAY, "link", "show", "eth0").stdout == there
        lab.network.ip(GUIDEWAY, "link", "set", "dev", "eth0", mode, "off")
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_serving()
    assert client.http_requests(lab, VIP[4], 10).failed == 0


def test_another_tools_program_that_came_meanwhile_stays(fixture):
    """Also when the data plane ends, although DPDK's driver takes off what it finds."""
    lab = fixture.lab
    lab.network.ip(GUIDEWAY, "-force", "link", "set", "dev", "eth0", "xdpdrv", "obj",
                   compile_decapsulation(lab.directory), "sec", "xdp")
    there = lab.network.ip(GUIDEWAY, "link", "show", "eth0").stdout
    wait_until(lambda: "of another tool" in fixture.guideway.dataplane.log(), "it is named")
    assert fixture.guideway.dataplane.stop() == 0
    assert lab.network.ip(GUIDEWAY, "link", "show", "eth0").stdout == there
    lab.network.ip(GUIDEWAY, "link", "set", "dev", "eth0", "xdp", "off")
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_serving()


def test_a_refused_start_leaves_nothing(fixture):
    """Nor does a start that is killed stand in the way of the next one."""
    lab = fixture.lab
    assert fixture.guideway.dataplane.stop() == 0
    done = lab.execute(
        GUIDEWAY, guideway.DATAPLANE, "--port=eth0", "--idle=adaptive",
        f"--channel={lab.directory}/nowhere/second.sock",
        f"--flow_table_directory={lab.directory}/second", "--flows=4096", check=False, timeout_s=20)
    assert done.returncode == 1, done
    assert fixture.programs() == []
    fixture.guideway.start_dataplane()
    fixture.guideway.dataplane.kill()
    assert fixture.programs() == ["eth0"]
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_serving()
    assert client.http_requests(lab, VIP[4], 10).failed == 0


def _refused(fixture, program, arguments, named):
    done = fixture.lab.execute(GUIDEWAY, program, *arguments, check=False, timeout_s=20)
    assert done.returncode == 1, (arguments, done)
    assert named in done.stderr, (arguments, done.stderr)


def test_bad_flags_are_refused(fixture):
    for arguments, named in (
            ([], "--port"),
            (["--port=nonexistent0"], "nonexistent0"),
            (["--port=eth0", "--port=eth0"], "eth0"),
            (["--port=0000:99:00.0"], "0000:99:00.0"),
            (["--port=eth0", "--workers=0"], "--workers"),
            (["--port=eth0", "--idle=never"], "--idle"),
            (["--port=eth0", "--flows=1"], "--flows"),
            (["--port=eth0", "--unheard_of=1"], "unheard_of"),
            (["--port=eth0", "stray"], "stray")):
        # Not the default places, which are the machine's.
        own = [f"--channel={fixture.lab.directory}/other.sock",
               f"--flow_table_directory={fixture.lab.directory}/other-flows"]
        _refused(fixture, guideway.DATAPLANE, own + arguments, named)
    directory = f"{fixture.lab.directory}/other"
    for arguments, named in (
            ([], "--config"),
            (["--config", "/nonexistent"], "/nonexistent"),
            (["--unheard_of=1"], "unheard_of"),
            (["--config", fixture.guideway.config_path, "--state_directory", directory, "stray"],
             "stray")):
        _refused(fixture, guideway.CONTROLPLANE, arguments, named)


def test_bad_configuration_is_refused(fixture):
    path = f"{fixture.lab.directory}/bad.yaml"
    with open(path, "w", encoding="ascii") as file:
        file.write("flow_hash_secret: 0123456789abcdef\npools:\n  - name: web\n    weight: 3\n")
    _refused(fixture, guideway.CONTROLPLANE,
             ["--config", path, f"--state_directory={fixture.lab.directory}/other",
              f"--socket={fixture.lab.directory}/other.sock"], "bad.yaml:4")


def test_exit_codes_of_the_cli(fixture):
    for arguments, code in ((["status"], 0), (["--help"], 0), (["pool", "show", "none"], 1),
                            (["frobnicate"], 2), (["backend", "weight", "web"], 2)):
        done = fixture.guideway.cli(*arguments, check=False)
        assert done.returncode == code, (arguments, done)
    done = run(guideway.CLI, "--socket", "/nonexistent.sock", "status", check=False)
    assert done.returncode == 3 and "/nonexistent.sock" in done.stderr, done


def test_the_socket_is_private(fixture):
    assert os.stat(fixture.guideway.socket).st_mode & 0o777 == 0o660
