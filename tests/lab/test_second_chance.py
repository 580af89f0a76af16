"""Established connections while backends come and go and no flow table remembers them.

Guideway forgets all flows (a restart with --forget_flows, as when another host takes over) after each
change. With second chance backends hand on what is another's, and nothing breaks; without it the
same change breaks some connections, which shows that the cases test something.
"""

from lab import configuration, fixtures
from lab.decap import Decap
from lab.second_chance import ALL, DOWNLOADS, GuePool

FIXTURES = [fixtures.SEGMENT]


class Fixture(fixtures.Running):
    def __init__(self, lab):
        super().__init__(lab, configuration.tunnels(lab), decap=Decap)
        self.pool = GuePool(lab, self.backends, self.guideway, self.config)


def _case(fixture, before, after, breaks):
    broken = fixture.pool.broken_by(True, before, after)
    assert not broken, broken
    control = fixture.pool.broken_by(False, before, after)
    print(f"     without second chance {sum(control.values())} of {DOWNLOADS} break", flush=True)
    assert bool(control) == breaks, control


def test_a_backend_is_added(fixture):
    _case(fixture, {"b1": "enabled", "b2": "enabled"}, ALL, breaks=True)


def test_a_backend_is_drained(fixture):
    _case(fixture, ALL, {**ALL, "b1": "drained"}, breaks=True)


def test_two_backends_are_drained_at_once(fixture):
    _case(fixture, ALL, {**ALL, "b1": "drained", "b3": "drained"}, breaks=True)


def test_a_drained_backend_is_removed(fixture):
    """Its connections go on as long as the flow table knows them."""
    for second_chance in (True, False):
        fixture.pool.apply(second_chance, ALL)
        downloads = fixture.pool.start_downloads()
        fixture.pool.apply(second_chance, {**ALL, "b2": "drained"})
        fixture.pool.apply(second_chance, {"b1": "enabled", "b3": "enabled"})
        assert downloads.running()
        broken = downloads.broken()
        assert not broken, broken


def test_flows_are_forgotten(fixture):
    """Without a change the Maglev table sends everything where it was."""
    _case(fixture, ALL, ALL, breaks=False)
