"""A stock Antminer's cgminer API on TCP 4028, as bmminer 49.x of an S19 speaks it. Control is the web server's.

What the polled replies look like is in `antminer_forms`.
"""

from collections.abc import Callable, Mapping

from simulators.devices.antminer_forms import (
    COMPILED,
    SPEAKER,
    SUMMARY,
    figures,
    pools_form,
    stats_form,
)
from simulators.devices.cgminer_api import (
    ACCESS_DENIED,
    INVALID_COMMAND,
    Answer,
    Reply,
    Request,
    Section,
    join,
    status,
)
from simulators.devices.figures import antminer_type, serial
from simulators.devices.forms import Latest
from simulators.devices.host import MinerHost
from simulators.plant.readings import Readings

PRIVILEGED = frozenset(
    {"addpool", "disablepool", "enablepool", "poolpriority", "quit", "removepool", "restart", "switchpool", "zero"}
)


class StockApi:
    """The commands of one stock Antminer."""

    accepts_text = True

    def __init__(self, host: MinerHost) -> None:
        self._host = host
        self._pools_form = pools_form()
        own = {"type": antminer_type(host.spec.model), "chip_id": serial(host.spec.id, "chip")}
        epoch_s = host.timing.epoch_s
        self._latest = Latest(lambda r, when: figures(r, when, own | {"version": host.plant.system.version}, epoch_s))
        self._commands: Mapping[str, Callable[[Readings, int], Reply]] = {
            "version": self._version,
            "summary": self._summary,
            "stats": self._stats,
            "pools": self._pools_reply,
            "devs": self._devs,
            "config": self._config,
        }

    def answer(self, request: Request) -> Answer:
        """Reply to one command or to several joined ones."""
        reading, when = self._host.readings()
        replies = {name: self._one(name, reading, when) for name in request.commands}
        telemetry = any(name in self._commands for name in request.commands)
        if request.joined:
            return Answer(join(replies), telemetry)
        return Answer(next(iter(replies.values()), self.error(INVALID_COMMAND, "Invalid command")), telemetry)

    def error(self, code: int, message: str) -> Section:
        """Return an error in a STATUS list."""
        when = self._host.utc(self._host.now())
        return {"STATUS": [status("E", when, code, message, SPEAKER)], "id": 1}

    def _one(self, name: str, reading: Readings, when: int) -> Reply:
        command = self._commands.get(name)
        if command is not None:
            return command(reading, when)
        if name in PRIVILEGED:
            return self.error(ACCESS_DENIED, f"Access denied to '{name}' command")
        return self.error(INVALID_COMMAND, "Invalid command")

    def _version(self, _reading: Readings, when: int) -> Section:
        version = {
            "BMMiner": "1.0.0",
            "API": "3.1",
            "Miner": self._host.plant.system.version,
            "CompileTime": COMPILED,
            "Type": antminer_type(self._host.spec.model),
        }
        return {"STATUS": [status("S", when, 22, "CGMiner versions", SPEAKER)], "VERSION": [version], "id": 1}

    def _summary(self, r: Readings, when: int) -> Reply:
        return SUMMARY.fill(self._latest.of(r, when))

    def _stats(self, r: Readings, when: int) -> Reply:
        return stats_form(r.parts.boards, len(r.build.fan_rpm), r.parts.chips).fill(self._latest.of(r, when))

    def _pools_reply(self, r: Readings, when: int) -> Reply:
        return self._pools_form.fill(r, self._latest.of(r, when))

    def _devs(self, r: Readings, when: int) -> Section:
        last = 0 if r.last_share_at is None else self._host.utc(r.last_share_at)
        device = {
            "ASC": 0,
            "Name": "BTM_SOC",
            "ID": 0,
            "Enabled": "Y",
            "Status": "Alive",
            "Tenperature": 0.0,
            "MHS av": 0.0,
            "MHS 5s": 0.0,
            "Accepted": r.accepted,
            "Rejected": r.rejected,
            "Hardware Errors": 0,
            "Utility": 0.0,
            "Last Share Pool": 0,
            "Last Share Time": last,
            "Total MH": 0.0,
            "Diff1 Work": 0,
            "Difficulty Accepted": r.accepted_diff,
            "Difficulty Rejected": r.rejected_diff,
            "Last Share Difficulty": last,
            "Last Valid Work": last,
            "Device Hardware%": 0.0,
            "Device Rejected%": 0.0,
            "Device Elapsed": r.elapsed_s,
        }
        return {"STATUS": [status("S", when, 9, "1 ASC(s)", SPEAKER)], "DEVS": [device], "id": 1}

    def _config(self, r: Readings, when: int) -> Section:
        config = {
            "ASC Count": 1,
            "PGA Count": 0,
            "Pool Count": len(r.pools),
            "Strategy": "Failover",
            "Log Interval": 5,
            "Device Code": "SOC ",
            "OS": "Linux",
            "Hotplug": "None",
        }
        return {"STATUS": [status("S", when, 33, "CGMiner config", SPEAKER)], "CONFIG": [config], "id": 1}
