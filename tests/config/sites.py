"""Small configurations for the tests to spoil."""

from pathlib import Path

TEN_LINES = """\
site: {name: north}
pdus:
  - id: pdu-a
    host: 10.20.0.11
    model: apc_rpdu2
    outlets: 24
    voltage_v: 240
    rating_a: 400
    snmp: {community: {credential: pdu-read}}
inventory: inventory.csv
"""

TEN_LINES_CSV = """\
id,host,model,family,outlets
r1-01,10.20.1.1,S19 Pro,antminer_stock,pdu-a/1
r1-02,10.20.1.2,M50,,pdu-a/2 pdu-a/3
"""

SITE = """\
site: {name: north}
pdus:
  - id: pdu-a
    host: 10.20.0.11
    model: apc_rpdu2
    outlets: 8
    voltage_v: 240
    banks:
      - {number: 1, outlets: 1-4, rating_a: 60}
      - {number: 2, outlets: 5-8, rating_a: 60}
    snmp: {community: {credential: pdu-read}}
    protected: [8]
switches:
  - {id: sw-1, host: 10.20.0.2, ports: 24, snmp: {community: {credential: switch-read}}}
inventory:
  - {id: a, host: 10.20.1.1, model: S19 Pro, family: antminer_stock, outlets: pdu-a/1, port: sw-1/1}
  - {id: b, host: 10.20.1.2, model: M50, outlets: pdu-a/2, port: sw-1/2, mac: 02:54:48:01:00:02}
  - {id: c, host: 10.20.1.3, model: S19k Pro, family: luxos, outlets: pdu-a/5, port: sw-1/3}
"""


def written(folder: Path, text: str, inventory: str | None = None) -> Path:
    """Write a configuration, and its inventory.csv where one is given; return the configuration's path."""
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    if inventory is not None:
        (folder / "inventory.csv").write_text(inventory, encoding="utf-8")
    return path
