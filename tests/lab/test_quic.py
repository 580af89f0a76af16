"""QUIC-LB with a real QUIC stack (ngtcp2): clients that migrate keep their backend.

A QUIC connection lives in one server process: a client whose packets come to another backend gets no
answer, so an answer after the client has moved says that they did not.
"""

import json
import os
import re

from lab import configuration, fixtures
from lab.process import run, wait_until
from lab.topology import BACKENDS, CLIENT, CLIENT_ADDRESS, FAMILIES, GUIDEWAY, VIP

FIXTURES = [fixtures.SEGMENT]
_HERE = os.path.dirname(os.path.abspath(__file__))
_PORT = 4433
_CONFIG_ID, _KEY, _OTHER_KEY = 3, "8f95f09245765f80256934e50c66207f", "00112233445566778899aabbccddeeff"
_NEW_ADDRESS = {4: "192.0.2.77", 6: "2001:db8:c::77"}
_CLIENTS = 5
_TIMEOUT_S = 20


def _quic_lb(config_id, key):
    return {"config_id": config_id, "server_id_length": 2, "nonce_length": 14, "key": key}


def _server_id(backend):
    return f"5e0{BACKENDS.index(backend) + 1}"


def _config(lab):
    made = configuration.l2(lab)
    for backend in made["pools"][0]["backends"]:
        backend["server_id"] = _server_id(backend["name"])
    made["vips"] += [{"name": f"quic{family}", "address": VIP[family], "port": _PORT,
                      "protocol": "udp", "pool": "web",
                      "quic_lb": [_quic_lb(_CONFIG_ID, _KEY)]} for family in FAMILIES]
    return made


class Fixture(fixtures.Running):
    def __init__(self, lab):
        super().__init__(lab, _config(lab))
        self._clients = 0
        preload = f"{lab.directory}/quic_server_ids.so"
        run("gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", preload,
            f"{_HERE}/lab/quic_server_ids.c", "-lcrypto")
        key, certificate = f"{lab.directory}/quic-key", f"{lab.directory}/quic-certificate"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=lab", "-days", "2")
        for backend in BACKENDS:
            directory = f"{lab.directory}/{backend}-quic"
            os.makedirs(directory, exist_ok=True)
            with open(f"{directory}/name", "w", encoding="ascii") as name:
                name.write(backend)
            for family in FAMILIES:
                lab.process(f"{backend}-quic{family}", backend, "env", f"LD_PRELOAD={preload}",
                            f"QUIC_LB_CONFIG_ID={_CONFIG_ID}", f"QUIC_LB_KEY={_KEY}",
                            f"QUIC_LB_SERVER_ID={_server_id(backend)}", "gtlsserver", "-q", "-d",
                            directory, VIP[family], _PORT, key, certificate).start()
            wait_until(lambda b=backend: self._listens(b), f"{backend}'s QUIC servers listen")

    def _listens(self, backend):
        listening = self.lab.execute(backend, "ss", "-Hlun", "sport", "=", f":{_PORT}").stdout
        return len(listening.splitlines()) == len(FAMILIES)

    def set_quic_lb(self, *configs):
        for vip in self.config["vips"]:
            if vip["name"].startswith("quic"):
                vip["quic_lb"] = list(configs)
        self.guideway.apply(self.config)

    def client(self, family, *options):
        self._clients += 1
        return Client(self.lab, self._clients, family, options)


class Client:
    """One connection that asks for the backend's name and ends with the answer."""

    def __init__(self, lab, number, family, options):
        self._directory = f"{lab.directory}/quic-client-{number}"
        os.makedirs(self._directory)
        host = f"[{VIP[6]}]" if family == 6 else VIP[4]
        self._process = lab.process(
            f"quic-client-{number}", CLIENT, "gtlsclient", "--no-quic-dump", "--no-http-dump",
            "--no-pmtud", "--timeout=10s", f"--download={self._directory}", "--exit-on-all-streams-close", *options, VIP[family],
            _PORT, f"https://{host}:{_PORT}/name")
        self._process.start()

    def log(self):
        return self._process.log()

    def connected(self):
        return "QUIC handshake has completed" in self.log()

    def ports(self):
        """Those that it sent from."""
        return set(re.findall(r"^Sent packet: local=\[[^]]*\]:(\d+)", self.log(), re.MULTILINE))

    def answer(self):
        wait_until(lambda: not self._process.running(), "the QUIC client has ended", _TIMEOUT_S)
        path = f"{self._directory}/name"
        if not os.path.exists(path):
            return None
        with open(path, encoding="ascii") as file:
            return file.read()


def _counted(fixture, before):
    """What the counters went up by."""
    after = fixture.guideway.stats()
    return {name: value - before[name] for name, value in after.items()
            if isinstance(value, int) and not isinstance(value, bool)}


def _migrate(fixture, *options):
    for family in FAMILIES:
        before = fixture.guideway.stats()
        clients = [fixture.client(family, "--change-local-addr=300ms", "--delay-stream=600ms",
                                  *options) for _ in range(_CLIENTS)]
        answers = [client.answer() for client in clients]
        assert all(answer in BACKENDS for answer in answers), answers
        counted = _counted(fixture, before)
        assert counted["quic_long_headers"] >= 2 * _CLIENTS, counted
        assert counted["quic_routed"] >= 4 * _CLIENTS, counted
        # Not by flow_inserts: a port may be that of an earlier client, whose flow is still known.
        assert all(len(client.ports()) == 2 for client in clients), clients[0].log()
        for counter in ("quic_unknown_servers", "quic_unroutable", "quic_too_short"):
            assert counted[counter] == 0, counted


def test_a_client_that_migrates_keeps_its_backend(fixture):
    """Another port and another connection ID, of which the server had told it."""
    _migrate(fixture)


def test_a_client_that_changes_its_address_keeps_its_backend(fixture):
    """As a telephone does that leaves its wireless network."""
    network = fixture.lab.network
    for family in FAMILIES:
        old, new = CLIENT_ADDRESS[family], _NEW_ADDRESS[family]
        gateway = json.loads(network.ip(CLIENT, "-j", f"-{family}", "route", "show",
                                        "default").stdout)[0]["gateway"]
        network.address(CLIENT, "eth0", f"{new}/{24 if family == 4 else 64}")
        network.route(CLIENT, "default", "via", gateway, "src", old)
        clients = [fixture.client(family, "--change-local-addr=2500ms", "--delay-stream=3s")
                   for _ in range(_CLIENTS)]
        try:
            wait_until(lambda c=clients: all(client.connected() for client in c),
                       "all clients are connected")
            network.route(CLIENT, "default", "via", gateway, "src", new)
            answers = [client.answer() for client in clients]
            assert all(answer in BACKENDS for answer in answers), answers
            place = f"local:[{new}]"
            assert all(place in client.log() for client in clients), clients[0].log()
        finally:
            network.route(CLIENT, "default", "via", gateway, "src", old)


def test_a_client_behind_a_nat_that_rebinds_keeps_its_backend(fixture):
    """Another port, the same connection ID."""
    _migrate(fixture, "--nat-rebinding")


def test_a_client_migrates_while_its_backend_drains(fixture):
    before = fixture.guideway.stats()
    client = fixture.client(4, "--change-local-addr=2s", "--delay-stream=2500ms")
    wait_until(lambda: _counted(fixture, before)["quic_routed"] >= 2, "the handshake is over")
    try:
        for backend in BACKENDS:  # whichever it has: nobody takes new flows
            fixture.guideway.cli("backend", "drain", "web", backend)
        fixture.guideway.wait_in_step()
        assert client.answer() in BACKENDS
    finally:
        for backend in BACKENDS:
            fixture.guideway.cli("backend", "enable", "web", backend)
        fixture.guideway.wait_in_step()


def test_a_connection_outlives_its_configuration(fixture):
    """As long as the client stays where it is: its flow is known."""
    before = fixture.guideway.stats()
    client = fixture.client(4, "--delay-stream=2500ms")
    wait_until(lambda: _counted(fixture, before)["quic_routed"] >= 2, "the handshake is over")
    try:
        fixture.set_quic_lb(_quic_lb(5, _OTHER_KEY))
        assert client.answer() in BACKENDS
        assert _counted(fixture, before)["quic_unroutable"] >= 1
    finally:
        fixture.set_quic_lb(_quic_lb(_CONFIG_ID, _KEY), _quic_lb(5, _OTHER_KEY))


def test_a_key_is_not_shown(fixture):
    applied = fixture.guideway.cli("apply", "-f", fixture.guideway.config_path).stdout
    log = fixture.lab.execute(GUIDEWAY, "cat", fixture.guideway.controlplane.log_path).stdout
    for text in (applied, log):
        assert _KEY not in text and _OTHER_KEY not in text
