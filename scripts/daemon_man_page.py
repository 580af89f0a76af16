#!/usr/bin/python3
"""Prints a daemon's manual page in section 8, made from its own gflags (--helpxml).

usage: daemon_man_page.py PROGRAM VERSION
"""
import os
import subprocess
import sys
import xml.etree.ElementTree

ABOUT = {
    "guideway-controlplane": (
        "configuration, API, probes and tables of a Guideway host",
        "Reads the configuration, probes the backends, follows the kernel's routes, builds the tables "
        "and hands them to\n.BR guideway\\-dataplane (8).\nSIGHUP reads the configuration again; "
        "SIGTERM and SIGINT end it. Packets are forwarded on without it."),
    "guideway-dataplane": (
        "forwards the packets for a Guideway host's VIPs",
        "Forwards packets by the tables that\n.BR guideway\\-controlplane (8)\n"
        "gives it, and goes on with those that it has while there is none. SIGTERM and SIGINT end it. "
        "Known flows outlast a restart."),
}
# mandoc wants a date; the pages of one version are the same whenever they are made.
DATE = "2026-11-21"
# Flags of glog that help an operator; gflags' own and the rest of glog's are left out.
GLOG = {"v", "logtostderr", "log_dir", "minloglevel", "vmodule"}


def escape(text):
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def flags_of(program):
    # gflags exits with 1 after it has printed its help.
    xml_text = subprocess.run([program, "--helpxml"], stdout=subprocess.PIPE, check=False).stdout
    own, glog = [], []
    for flag in xml.etree.ElementTree.fromstring(xml_text).iter("flag"):
        values = {child.tag: child.text or "" for child in flag}
        is_own = any(part in values["file"] for part in ("dataplane/", "controlplane/"))
        if is_own:
            own.append(values)
        elif values["name"] in GLOG:
            glog.append(values)
    return own, glog


def entry(flag):
    value = "" if flag["type"] == "bool" else "=\\fI%s\\fR" % (
        "TEXT" if flag["type"] == "string" else "NUMBER")
    default = f" Default: {flag['default']}." if flag["default"] else ""
    meaning = flag["meaning"].rstrip(".")
    meaning = meaning[:1].upper() + meaning[1:]
    return (f".TP\n\\fB\\-\\-{escape(flag['name'])}\\fR{value}\n"
            f"{escape(meaning + '.' + default)}\n")


def main():
    program, version = sys.argv[1], sys.argv[2]
    name = os.path.basename(program)
    title, text = ABOUT[name]
    own, glog = flags_of(program)
    if not own:
        sys.exit(f"{program} has no flags of its own")
    print(".\\\" Made from the program's flags by scripts/daemon_man_page.py; do not edit.")
    print(f'.TH {name.upper().replace("-", chr(92) + "-")} 8 "{DATE}" "Guideway {version}" "Guideway"')
    print(f".SH NAME\n{escape(name)} \\- {escape(title)}")
    print(f".SH SYNOPSIS\n.B {escape(name)}\n[\\fIFLAG\\fR]...")
    print(f".SH DESCRIPTION\n{text}")
    print(".SH FLAGS\nA flag without a value is set by \\fB\\-\\-flag\\fR and cleared by "
          "\\fB\\-\\-noflag\\fR.")
    print("".join(entry(flag) for flag in own), end="")
    print(".SS Logging")
    print("".join(entry(flag) for flag in glog), end="")
    print(".SH EXIT STATUS\n.TP\n.B 0\nEnded as asked.\n.TP\n.B 1\nCould not start, or failed; the "
          "reason is on standard error.")
    print(".SH SEE ALSO\n.BR guideway (1)")


if __name__ == "__main__":
    main()
