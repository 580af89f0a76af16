"""Changes by the CLI while requests run: none of them may fail."""

import re

from lab import client, configuration, fixtures
from lab.process import wait_until
from lab.topology import BACKENDS, FAMILIES, VIP

FIXTURES = [fixtures.SEGMENT]
_FIRST_TWO = BACKENDS[:2]


class Fixture(fixtures.Running):
    """Two of the backends are configured; the third one waits to be added."""

    def __init__(self, lab):
        super().__init__(lab, configuration.l2(lab, backends=_FIRST_TWO))

    def load(self):
        return client.Load(self.lab, *[VIP[family] for family in FAMILIES])

    def change(self, *arguments):
        self.guideway.cli(*arguments)
        self.guideway.wait_in_step()

    def share(self, backend):
        return self.guideway.backends("web")[backend]["share"]

    def answered_by(self, count=60):
        answers = client.http_requests(self.lab, VIP[4], count)
        assert answers.failed == 0, answers
        return answers


def test_add_and_remove(fixture):
    with fixture.load() as load:
        fixture.change("backend", "add", "web", "b3", fixture.lab.backend_address("b3"))
        fixture.guideway.wait_health("web", "b3", "healthy")
        assert fixture.answered_by()["b3"] > 0
        fixture.change("backend", "remove", "web", "b3")
        assert set(fixture.answered_by()) == set(_FIRST_TWO)
        assert load.stop()["b3"] > 0


def test_drain_and_enable(fixture):
    """A drained backend keeps its connection and gets no new one."""
    with fixture.load() as load:
        download = client.Download(fixture.lab, VIP[4]).start()
        wait_until(lambda: download.bytes_so_far() > 0, "the download began")
        for name in _FIRST_TWO:
            fixture.change("backend", "drain", "web", name)
            assert name not in fixture.answered_by()
            fixture.change("backend", "enable", "web", name)
            assert fixture.answered_by()[name] > 0
        wait_until(download.ended, "the download ended", timeout_s=30)
        assert download.sha256() == fixture.backends.download_sha256
        assert set(load.stop()) == set(_FIRST_TWO)


def test_a_removed_backend_finishes_its_connections(fixture):
    download = client.Download(fixture.lab, VIP[4]).start()
    wait_until(lambda: download.bytes_so_far() > 0, "the download began")
    serving = fixture.serving()  # before the load, whose connections would be found, too
    with fixture.load() as load:
        fixture.change("backend", "remove", "web", serving)
        assert serving not in fixture.answered_by()
        wait_until(download.ended, "the download ended", timeout_s=30)
        assert download.sha256() == fixture.backends.download_sha256
        fixture.change("backend", "add", "web", serving, fixture.lab.backend_address(serving))
        fixture.guideway.wait_health("web", serving, "healthy")
        load.stop()


def test_weight(fixture):
    with fixture.load() as load:
        fixture.change("backend", "weight", "web", "b1", "300")
        assert abs(fixture.share("b1") - 0.75) < 0.01, fixture.share("b1")
        answers = fixture.answered_by(120)
        assert answers["b1"] > answers["b2"], answers
        fixture.change("backend", "weight", "web", "b1", "0")
        assert fixture.share("b1") == 0
        assert set(fixture.answered_by()) == {"b2"}
        fixture.change("backend", "weight", "web", "b1", "100")
        assert abs(fixture.share("b1") - 0.5) < 0.01
        load.stop()


def test_many_changes_in_a_row(fixture):
    with fixture.load() as load:
        for round_number in range(10):
            fixture.guideway.cli("backend", "weight", "web", "b1", str(50 + round_number))
            fixture.guideway.cli("backend", "drain", "web", "b2")
            fixture.guideway.cli("backend", "enable", "web", "b2")
        fixture.guideway.cli("backend", "weight", "web", "b1", "100")
        fixture.guideway.wait_in_step()
        load.stop()


def test_pool_create_and_delete(fixture):
    with fixture.load() as load:
        fixture.change("pool", "create", "spare", "--encapsulation", "ipip")
        fixture.change("backend", "add", "spare", "b3", fixture.lab.backend_address("b3", 6))
        assert set(fixture.guideway.backends("spare")) == {"b3"}
        fixture.change("pool", "delete", "spare")
        names = [pool["name"] for pool in fixture.guideway.json("pool", "list")]
        assert names == ["web"], names
        load.stop()


def test_a_refused_change_changes_nothing(fixture):
    """Exit code 1, the reason names the thing, and the configuration in force stays."""
    before = fixture.guideway.json("pool", "show", "web")["table_digest"]
    with fixture.load() as load:
        for arguments, named in (
                (["backend", "drain", "web", "nobody"], "nobody"),
                (["backend", "add", "web", "b1", "198.51.100.99"], "b1"),
                (["backend", "add", "web", "b9", "300.1.1.1"], "300.1.1.1"),
                (["backend", "weight", "web", "b1", "10001"], "10001"),
                (["pool", "delete", "web"], "web"),
                (["apply", "-f", "/nonexistent"], "/nonexistent")):
            done = fixture.guideway.cli(*arguments, check=False)
            assert done.returncode == 1, (arguments, done)
            assert named in done.stderr, (arguments, done.stderr)
        load.stop()
    assert fixture.guideway.json("pool", "show", "web")["table_digest"] == before


def test_a_bad_file_is_refused_with_its_line(fixture):
    path = f"{fixture.lab.directory}/bad.yaml"
    with open(fixture.guideway.config_path, encoding="ascii") as file:
        text = file.read()
    for bad, named in ((text.replace("weight", "wait").replace("port: 80", "port: 80000", 1),
                        "80000"),
                       (text + "unheard_of: 1\n", "unheard_of"),
                       ("pools: [", "bad.yaml"),
                       ("", "flow_hash_secret")):
        with open(path, "w", encoding="ascii") as file:
            file.write(bad)
        for command in (["check", "-f", path], ["apply", "-f", path], ["diff", "-f", path]):
            done = fixture.guideway.cli(*command, check=False)
            assert done.returncode == 1 and named in done.stderr, (command, done)
            assert re.search(r"bad\.yaml", done.stderr), done.stderr
    assert set(fixture.answered_by(10)) <= set(_FIRST_TWO)


def test_an_emptying_file_needs_force(fixture):
    path = f"{fixture.lab.directory}/empty.yaml"
    with open(path, "w", encoding="ascii") as file:
        file.write('flow_hash_secret: "a secret of the whole lab"\n')
    done = fixture.guideway.cli("apply", "-f", path, check=False)
    assert done.returncode == 1 and "force" in done.stderr, done
    assert fixture.answered_by(10).answered == 10


def test_sighup_reads_the_file_again(fixture):
    """A good file comes into force, a bad one is refused and the daemon goes on."""
    config = configuration.l2(fixture.lab, backends=BACKENDS)
    fixture.guideway.write_config(config)
    fixture.guideway.controlplane.signal(1)
    wait_until(lambda: "b3" in fixture.guideway.backends("web"), "b3 is in the pool")
    fixture.guideway.wait_serving()
    assert fixture.answered_by()["b3"] > 0
    with open(fixture.guideway.config_path, "w", encoding="ascii") as file:
        file.write("nonsense: 1\n")
    fixture.guideway.controlplane.signal(1)
    wait_until(lambda: "nonsense" in fixture.guideway.controlplane.log(), "the refusal is logged")
    assert fixture.answered_by()["b3"] > 0
