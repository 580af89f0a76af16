#!/usr/bin/python3
"""The demo: a lab, both daemons, requests, a failing backend, and the proof of what happened.

usage: demo.py [--keep]     called by scripts/demo, which builds first

The last line is "demo: N requests, N answered"; exit code 0 if all were.
"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import client, configuration, guideway, namespaces, topology  # noqa: E402
from lab.backends import Backends  # noqa: E402
from lab.process import LabError  # noqa: E402
from lab.replies import ReplyCounter  # noqa: E402
from lab.topology import BACKENDS, CLIENT_ADDRESS, VIP  # noqa: E402

POOL = "web"
FAILING = "b2"
MANY, SOME = 300, 50


class Demo:
    """Prints what it does; counts what was asked and answered, and what was not as it must be."""

    def __init__(self, lab):
        self.lab = lab
        self.asked = 0
        self.answered = 0
        self.missing = []
        self.backends = Backends(lab)
        self.replies = ReplyCounter(lab)
        self.guideway = guideway.Guideway(lab, configuration.l2(lab)).start()

    def expect(self, right, what):
        if not right:
            self.missing.append(what)
            print(f"   MISSING: {what}")

    def ask(self, vip, count):
        answers = client.http_requests(self.lab, vip, count)
        self.asked += count
        self.answered += answers.answered
        self.expect(not answers.failed, f"answers to {answers.failed} of {count} requests to {vip}")
        return answers

    def spread(self):
        print(f"1. {MANY} requests with curl to http://{VIP[4]}/")
        answers = self.ask(VIP[4], MANY)
        for name in BACKENDS:
            print(f"     {name} {answers[name]:4} {'#' * (answers[name] // 3)}")
            self.expect(answers[name] > MANY / len(BACKENDS) / 3, f"a fair share for {name}")
        logged = [entry for backend in self.backends for entry in backend.logged()]
        own = sum(entry[:2] == (CLIENT_ADDRESS[4], VIP[4]) for entry in logged)
        print(f"   nginx logged the client's own address ({CLIENT_ADDRESS[4]}) for {own} of them")
        self.expect(own == MANY, f"the client's own address in {MANY} lines of nginx's logs")
        direct, back = self.replies.through_router(), self.replies.through_guideway()
        print(f"   replies on the segment: {direct} packets to the router, "
              f"{back} to the Guideway host")
        self.expect(direct > MANY, "reply packets that go to the router")
        self.expect(back == 0, "direct replies: some pass the Guideway host")

    def fail(self):
        print(f"2. nginx on {FAILING} stops")
        backend = self.backends[FAILING]
        started = time.monotonic()
        backend.nginx.stop()
        self.guideway.wait_health(POOL, FAILING, "unhealthy")
        reason = self.guideway.backends(POOL)[FAILING]["health_reason"]
        print(f"   probes took it out after {time.monotonic() - started:.1f} s ({reason})")
        answers = self._ask_both()
        self.expect(answers[FAILING] == 0, f"no answer of {FAILING}, which is down")

    def recover(self):
        print(f"3. nginx on {FAILING} starts again")
        started = time.monotonic()
        self.backends[FAILING].start_nginx()
        self.guideway.wait_health(POOL, FAILING, "healthy")
        print(f"   probes took it in after {time.monotonic() - started:.1f} s")
        answers = self._ask_both()
        self.expect(answers[FAILING] > 0, f"answers of {FAILING}, which is back")

    def _ask_both(self):
        answers = self.ask(VIP[4], SOME) + self.ask(VIP[6], SOME)
        shown = ", ".join(f"{name} {answers[name]}" for name in BACKENDS)
        print(f"   {2 * SOME} requests over IPv4 and IPv6: {shown}")
        return answers

    def account(self):
        print("4. every packet that the data plane received, from `guideway stats -o json`")
        stats = self.guideway.stats()
        received, forwarded = stats["received_packets"], stats["forwarded_packets"]
        to_kernel, drops = stats["to_kernel_packets"], sum(stats["drops"].values())
        answered = stats["answered_packets"]
        right = received == forwarded + to_kernel + answered + drops
        print(f"   received {received} {'=' if right else 'IS NOT'} forwarded {forwarded} "
              f"+ to kernel {to_kernel} + answered {answered} + drops {drops}")
        self.expect(right and stats["balanced"], "an account of every packet")
        self.expect(forwarded > MANY, "forwarded packets")

    def explore(self):
        """Commands for a lab that stays."""
        print("\nThe lab stands. Look around:")
        for command in ("scripts/lab cli pool list               # = guideway pool list",
                        "scripts/lab cli backend list",
                        "scripts/lab cli stats --watch",
                        "scripts/lab cli backend drain web b1",
                        f"scripts/lab exec client curl -s http://{VIP[4]}/",
                        f"scripts/lab exec client curl -gs http://[{VIP[6]}]/",
                        "scripts/lab status"):
            print(f"  {command}")
        print(f"The CLI itself: {guideway.CLI} --socket {self.guideway.socket}")
        print(f"Logs: {self.lab.directory}. Take it down with: scripts/demo --stop")


def main():
    topology.end_in_order_on_signals()
    keep = sys.argv[1:] == ["--keep"]
    print("Lab: client - router - segment with the Guideway host and backends b1, b2, b3; "
          "backends answer directly")
    demo = None
    try:
        with topology.lab(keep=keep) as lab:
            try:
                demo = Demo(lab)
                demo.spread()
                demo.fail()
                demo.recover()
                demo.account()
                if not keep:
                    demo.guideway.stop()
            except Exception:
                lab.dump_logs()
                raise
            if demo.missing:
                lab.dump_logs()
                raise LabError("not as it must be: " + "; ".join(demo.missing))
            if keep:
                demo.explore()
    except (LabError, KeyboardInterrupt) as error:
        print(f"demo: failed: {error or 'interrupted'}", file=sys.stderr)
        if demo:
            print(f"demo: {demo.asked} requests, {demo.answered} answered")
        return 1
    print(f"demo: {demo.asked} requests, {demo.answered} answered")
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--stop"]:
        namespaces.remove(namespaces.KEPT)
    else:
        sys.exit(main())
