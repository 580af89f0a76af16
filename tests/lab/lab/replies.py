"""Counts on the segment's bridge where replies of the VIPs go: an observer besides Guideway."""

import json

from lab.topology import GUIDEWAY, ROUTER, SEGMENT, VIP, TUNNEL_VIP

_RULES = """\
table bridge replies {{
  set vips4 {{ type ipv4_addr; elements = {{ {vips4} }} }}
  set vips6 {{ type ipv6_addr; elements = {{ {vips6} }} }}
  chain forward {{
    type filter hook forward priority 0;
{rules}
  }}
}}
"""


class ReplyCounter:
    """From its creation on, counts packets with a VIP as source by whom the bridge hands them to."""

    def __init__(self, lab):
        self._lab = lab
        rules = "\n".join(
            f'    oifname "{to}" {match} counter comment "{to}"'
            for to in (GUIDEWAY, ROUTER)
            for match in ("ip saddr @vips4", "ip6 saddr @vips6"))
        path = f"{lab.directory}/replies.nft"
        with open(path, "w", encoding="ascii") as file:
            file.write(_RULES.format(vips4=f"{VIP[4]}, {TUNNEL_VIP[4]}",
                                     vips6=f"{VIP[6]}, {TUNNEL_VIP[6]}", rules=rules))
        lab.execute(SEGMENT, "nft", "-f", path)

    def _packets_to(self, to):
        listing = json.loads(self._lab.execute(SEGMENT, "nft", "-j", "list", "ruleset").stdout)
        rules = [item["rule"] for item in listing["nftables"] if "rule" in item]
        return sum(expression["counter"]["packets"] for rule in rules
                   if rule.get("comment") == to
                   for expression in rule["expr"] if "counter" in expression)

    def through_guideway(self):
        return self._packets_to(GUIDEWAY)

    def through_router(self):
        return self._packets_to(ROUTER)
