"""What a LuxOS miner's reading commands say. Sessions and control are in `luxos`.

What the polled replies look like is in `luxos_forms`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from agent.model.topology import Family
from simulators.devices.cgminer_api import Reply, Section, status
from simulators.devices.figures import (
    antminer_type,
    serial,
)
from simulators.devices.forms import Latest
from simulators.devices.host import MinerHost
from simulators.devices.luxos_forms import (
    COMPILED,
    POWER,
    SUMMARY,
    config_form,
    figures,
    intake,
    ordered,
    own_figures,
    pools_form,
    speaker,
    stats_form,
)
from simulators.plant.limits import LUXOS_DANGEROUS_C, LUXOS_HEAT_STOP, RULES
from simulators.plant.luxos_profiles import STEPS, clock_mhz, profile_name, share_of, step_of
from simulators.plant.readings import Readings


class LuxosTelemetry:
    """The reading commands of one LuxOS miner.

    Attributes:
        mining: commands that need the mining process. system: commands that do not.
        led: state of the red lamp.
    """

    def __init__(self, host: MinerHost) -> None:
        self._host = host
        self.led = "auto"
        self._own = own_figures(host.spec) | {"control_board": host.plant.system.control_board.value}
        self._latest = Latest(self._figures)
        self._pools_form = pools_form()
        self.mining: Mapping[str, Callable[[Readings, int], Reply]] = {
            "summary": self._summary,
            "pools": self._pools,
            "stats": self._stats,
            "devs": self._devs,
            "power": self._power,
            "temps": self._temps,
            "fans": self._fans,
            "groups": self._groups,
            "profiles": self._profiles,
            "tempctrl": self._tempctrl,
            "atm": self._atm,
        }
        self.system: Mapping[str, Callable[[Readings, int], Reply]] = {
            "version": self._version,
            "config": self._config,
            "events": self._events,
        }

    def status(self, code: int, message: str, letter: str = "S") -> Section:
        """Return a STATUS object; LUXminer prints its keys in alphabetical order."""
        return dict(sorted(status(letter, self._host.utc(self._host.now()), code, message, self._speaker()).items()))

    def reply(self, name: str, items: Sequence[Section], code: int, message: str) -> Section:
        """Return a whole reply: the objects under `name` and the STATUS."""
        return ordered(name, self.status(code, message), items)

    def _speaker(self) -> str:
        return speaker(self._host.plant.system.version)

    def _version(self, _reading: Readings, _when: int) -> Section:
        version: Section = {
            "API": "3.7",
            "CompileTime": COMPILED,
            "LUXminer": self._speaker().removeprefix("LUXminer "),
            "Miner": self._host.plant.system.version,
            "Type": antminer_type(self._host.spec.model),
        }
        return self.reply("VERSION", [version], 22, "LUXminer versions")

    def _summary(self, r: Readings, when: int) -> Reply:
        return SUMMARY.fill(self._latest.of(r, when))

    def _pools(self, r: Readings, when: int) -> Reply:
        return self._pools_form.fill(r, self._latest.of(r, when))

    def _stats(self, r: Readings, when: int) -> Reply:
        return stats_form(r.parts.boards, len(r.build.fan_rpm), r.parts.chips).fill(self._latest.of(r, when))

    def _power(self, r: Readings, when: int) -> Reply:
        return POWER.fill(self._latest.of(r, when))

    def _config(self, r: Readings, when: int) -> Reply:
        return config_form(self._host.plant.profile.boards).fill(self._latest.of(r, when))

    def _figures(self, r: Readings, when: int) -> dict[str, object]:
        version = self._host.plant.system.version
        own = self._own | {"led": self.led, "version": version, "speaker": speaker(version)}
        return figures(r, when, own, self._host.timing.epoch_s)

    def _devs(self, r: Readings, _when: int) -> Section:
        boards = len(r.board_rates_gh)
        last = 0 if r.last_share_at is None else self._host.utc(r.last_share_at)
        devices: list[Section] = []
        for number, rate in enumerate(r.board_rates_gh):
            share = rate / r.rate_5s if r.rate_5s > 0 else 1.0 / boards
            devices.append(
                {
                    "ASC": number,
                    "Accepted": r.accepted // boards,
                    "Board": "BHB56903",
                    "Connector": f"J{7 + number}",
                    "Device Elapsed": r.elapsed_s,
                    "Device Hardware%": 0,
                    "Device Rejected%": 0,
                    "Difficulty Accepted": round(r.accepted_diff / boards),
                    "Difficulty Rejected": round(r.rejected_diff / boards),
                    "Enabled": "Y",
                    "Hardware Errors": r.hw_errors // boards,
                    "ID": number,
                    "IsRamping": not r.upfreq_complete,
                    "IsUserShutdown": r.suspended,
                    "Last Share Difficulty": round(r.diff),
                    "Last Share Pool": 0,
                    "Last Share Time": last,
                    "Last Valid Work": last,
                    "MHS 15m": r.rate_15m * share * 1000.0,
                    "MHS 1m": r.rate_1m * share * 1000.0,
                    "MHS 30m": r.rate_30m * share * 1000.0,
                    "MHS 5m": r.rate_5m * share * 1000.0,
                    "MHS 5s": rate * 1000.0,
                    "MHS av": r.rate_av * share * 1000.0,
                    "Name": "",
                    "Nominal MHS": r.target_gh * 1000.0 / boards,
                    "Profile": profile_name(step_of(r.share)),
                    "Rejected": r.rejected // boards,
                    "SerialNumber": serial(self._host.spec.id, f"board{number}").upper(),
                    "Status": "Alive" if r.parts.answering[number] else "Dead",
                    "Temperature": r.pcb_temp_c[number],
                    "Total MH": r.rate_av * share * 1000.0,
                    "Utility": 0,
                }
            )
        return self.reply("DEVS", devices, 9, f"{boards} ASC(s)")

    def _temps(self, r: Readings, _when: int) -> Section:
        boards: list[Section] = [
            {
                "ID": n,
                "TEMP": n,
                "BottomLeft": hot,
                "TopLeft": hot,
                "BottomRight": intake(hot, r.warmth.inlet_c),
                "TopRight": intake(hot, r.warmth.inlet_c),
            }
            for n, hot in enumerate(r.pcb_temp_c)
        ]
        sensors = {
            f"{end}{side}": {"Label": f"Board {label} ({end.lower()})", "Position": [row, column]}
            for row, end in enumerate(("Top", "Bottom"))
            for column, (side, label) in enumerate((("Left", "Exhaust"), ("Right", "Intake")))
        }
        return {"METADATA": [sensors], **self.reply("TEMPS", boards, 201, f"{len(boards)} Temp(s)")}

    def _fans(self, r: Readings, _when: int) -> Section:
        fans: list[Section] = [
            {"FAN": f"FAN{n}", "ID": n - 1, "RPM": rpm, "Speed": min(100, round(rpm / 65))}
            for n, rpm in enumerate(r.fans_rpm, 1)
        ]
        reply = self.reply("FANS", fans, 202, f"{len(fans)} Fan(s)")
        return {"FANCTRL": [{"MinFans": 3, "PowerOffSpeed": 20}], **reply}

    def _groups(self, _reading: Readings, _when: int) -> Section:
        return self.reply("GROUPS", [{"GROUP": 0, "Name": "default", "Quota": 1}], 302, "1 Group(s)")

    def _profiles(self, _reading: Readings, _when: int) -> Section:
        spec = self._host.spec
        profiles: list[Section] = [
            {
                "CanRestore": True,
                "Frequency": clock_mhz(step),
                "HasOverrides": False,
                "Hashrate": round(spec.hashrate_th * share_of(step), 1),
                "IsDynamic": True,
                "IsTuned": step == 0,
                "Profile Name": profile_name(step),
                "Step": str(step),
                "Voltage": 11.88,
                "Watts": round(spec.power_w * share_of(step)),
            }
            for step in STEPS
        ]
        return self.reply("PROFILES", profiles, 313, f"{len(profiles)} Profile(s)")

    def _tempctrl(self, _reading: Readings, _when: int) -> Section:
        hot_c = LUXOS_DANGEROUS_C - (RULES[Family.LUXOS].steps_before_k or 0.0)
        limits: Section = {"Dangerous": LUXOS_DANGEROUS_C, "Hot": hot_c, "Mode": "Automatic", "Target": hot_c - 10}
        return self.reply("TEMPCTRL", [limits], 329, "Temperature control")

    def _atm(self, _reading: Readings, _when: int) -> Section:
        atm: Section = {
            "Enabled": True,
            "MaxProfile": "",
            "MinProfile": "",
            "PostRampMinutes": 15,
            "StartupMinutes": 15,
            "TempWindow": 5,
        }
        return self.reply("ATM", [atm], 339, "ATM configuration values")

    def _events(self, r: Readings, when: int) -> Section:
        events: list[Section] = []
        if r.suspended:
            created = datetime.fromtimestamp(when, UTC).isoformat()
            words = "Miner is in Sleep mode."
            events.append({"Code": "SLEEP", "CreatedAt": created, "Description": words, "Target": "MINER"})
        for code, words, at in self._host.plant.system.codes(r.at):
            created = datetime.fromtimestamp(self._host.utc(at), UTC).isoformat()
            events.append({"Code": code, "CreatedAt": created, "Description": words, "Target": "MINER"})
        if r.overheated:
            created = datetime.fromtimestamp(when, UTC).isoformat()
            words = "Miner is stopped: a board is dangerously hot."
            events.append({"Code": LUXOS_HEAT_STOP, "CreatedAt": created, "Description": words, "Target": "MINER"})
        return self.reply("EVENTS", events, 357, "Miner Events")
