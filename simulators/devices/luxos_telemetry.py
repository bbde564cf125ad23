"""What a LuxOS miner's reading commands say. Sessions and control are in `luxos`.

Oddities kept from the captured replies of facts "miners", section 5: keys in alphabetical order, `Total MH` that is no
counter (it is a thousand times `GHS av`), `Last Share Time` as HH:MM:SS ago, board temperatures only.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from simulators.devices.cgminer_api import Section, status
from simulators.devices.figures import (
    antminer_type,
    best_share,
    mac,
    percent,
    serial,
    share_age,
    short_difficulty,
)
from simulators.devices.host import MinerHost
from simulators.plant.readings import Readings

RELEASE = "2025.4.8.220305"
SPEAKER = f"LUXminer {RELEASE}-57b389c7"
COMPILED = "Tue Apr  8 22:05:35 UTC 2025"
SLOTS = 4
MHZ = 290


class LuxosTelemetry:
    """The reading commands of one LuxOS miner.

    Attributes:
        mining: commands that need the mining process. system: commands that do not.
        led: state of the red lamp.
    """

    def __init__(self, host: MinerHost) -> None:
        self._host = host
        self.led = "auto"
        self.mining: Mapping[str, Callable[[Readings, int], Section]] = {
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
        self.system: Mapping[str, Callable[[Readings, int], Section]] = {
            "version": self._version,
            "config": self._config,
            "events": self._events,
        }

    def status(self, code: int, message: str, letter: str = "S") -> Section:
        """Return a STATUS object; LUXminer prints its keys in alphabetical order."""
        return dict(sorted(status(letter, self._host.utc(self._host.now()), code, message, SPEAKER).items()))

    def reply(self, name: str, items: Sequence[Section], code: int, message: str) -> Section:
        """Return a whole reply: the objects under `name` and the STATUS."""
        ordered = [dict(sorted(item.items())) for item in items]
        parts: Section = {"STATUS": [self.status(code, message)], name: ordered}
        return {**dict(sorted(parts.items())), "id": 1}

    def _version(self, _reading: Readings, _when: int) -> Section:
        version: Section = {
            "API": "3.7",
            "CompileTime": COMPILED,
            "LUXminer": SPEAKER.removeprefix("LUXminer "),
            "Miner": RELEASE,
            "Type": antminer_type(self._host.spec.model),
        }
        return self.reply("VERSION", [version], 22, "LUXminer versions")

    def _summary(self, r: Readings, when: int) -> Section:
        shares = r.accepted + r.rejected + r.stale
        elapsed = max(r.elapsed_s, 1)
        summary: Section = {
            "Accepted": r.accepted,
            "Best Share": best_share(r),
            "Device Hardware%": 0.0,
            "Device Rejected%": 0.0,
            "Difficulty Accepted": round(r.accepted_diff),
            "Difficulty Rejected": round(r.rejected_diff),
            "Difficulty Stale": round(r.stale_diff),
            "Discarded": 0,
            "Elapsed": r.elapsed_s,
            "Found Blocks": 0,
            "GHS 15m": round(r.rate_15m, 2),
            "GHS 1m": round(r.rate_1m, 2),
            "GHS 24h": round(r.rate_av * min(1.0, r.elapsed_s / 86_400.0), 2),
            "GHS 30m": round(r.rate_30m, 2),
            "GHS 5m": round(r.rate_5m, 2),
            "GHS 5s": round(r.rate_5s, 2),
            "GHS av": round(r.rate_av, 2),
            "Get Failures": 0,
            "Getworks": r.elapsed_s // 5,
            "Hardware Errors": r.hw_errors,
            "Last getwork": when - 4,
            "Local Work": 0,
            "Network Blocks": 0,
            "Pool Rejected%": percent(r.rejected, shares),
            "Pool Stale%": percent(r.stale, shares),
            "Rejected": r.rejected,
            "Remote Failures": 0,
            "Stale": r.stale,
            "Total MH": r.rate_av * 1000.0,
            "Utility": round(r.accepted * 60.0 / elapsed, 2),
            "Work Utility": 11.5,
        }
        return self.reply("SUMMARY", [summary], 11, "Summary")

    def _pools(self, r: Readings, when: int) -> Section:
        shares = r.accepted + r.rejected + r.stale
        host = r.pool_url.partition("://")[2]
        pool: Section = {
            "AsicBoost": True,
            "Accepted": r.accepted,
            "Bad Work": 0,
            "Best Share": best_share(r),
            "Current Block Height": 0,
            "Current Block Version": 536870912,
            "Diff": short_difficulty(r.diff),
            "Diff1 Shares": round(r.accepted_diff),
            "Difficulty Accepted": round(r.accepted_diff),
            "Difficulty Rejected": round(r.rejected_diff),
            "Difficulty Stale": round(r.stale_diff),
            "Discarded": 0,
            "GROUP": 0,
            "Get Failures": 0,
            "Getworks": r.elapsed_s // 5,
            "Has GBT": False,
            "Has Stratum": True,
            "Has Vmask": True,
            "Last Share Difficulty": round(r.diff) if r.accepted else 0,
            "Last Share Time": share_age(r, when - self._host.timing.epoch_s).rjust(8, "0"),
            "Long Pool": "N",
            "POOL": 0,
            "Pool Rejected%": percent(r.rejected, shares),
            "Pool Stale%": percent(r.stale, shares),
            "Priority": 0,
            "Proxy": "",
            "Proxy Type": "",
            "Quota": 1.0,
            "Rejected": r.rejected,
            "Remote Failures": 0,
            "Stale": r.stale,
            "Status": "Alive" if r.pool_alive else "Dead",
            "Stratum Active": r.pool_alive,
            "Stratum Difficulty": round(r.diff),
            "Stratum URL": host,
            "URL": r.pool_url,
            "User": r.pool_user,
            "Work Difficulty": round(r.diff),
            "Works": 0,
        }
        return self.reply("POOLS", [pool], 7, "1 Pool(s)")

    def _stats(self, r: Readings, _when: int) -> Section:
        firmware: Section = {
            "CompileTime": COMPILED,
            "Miner": RELEASE,
            "Type": antminer_type(self._host.spec.model),
        }
        hottest = max(r.pcb_temp_c, default=0.0)
        chips = self._host.plant.profile.chips
        totals: Section = {
            "Calls": 0,
            "Elapsed": r.elapsed_s,
            "GHS 5s": round(r.rate_5s, 2),
            "GHS av": round(r.rate_av, 2),
            "ID": "BTM_SOC0",
            "Max": 0,
            "Min": 99999999,
            "Mode": 2,
            "STATS": 0,
            "Wait": 0,
            **{f"fan{n}": rpm for n, rpm in enumerate(r.fans_rpm, 1)},
            "fan_num": len(r.fans_rpm),
            "frequency": MHZ,
            "miner_count": len(r.board_rates_gh),
            "miner_id": serial(self._host.spec.id, "board")[:12],
            "miner_version": RELEASE,
            "no_matching_work": r.hw_errors,
            "rate_30m": round(r.rate_30m, 2),
            "rate_unit": "GH",
            "temp_max": hottest,
            "temp_num": len(r.pcb_temp_c),
            "total rate": round(sum(r.board_rates_gh), 2),
            "total_acn": len(r.board_rates_gh) * chips,
            "total_freqavg": float(MHZ),
            "total_rateideal": round(r.target_gh, 2),
        }
        for slot in range(1, SLOTS + 1):
            totals |= _chain(r, slot, chips)
        return self.reply("STATS", [firmware, totals], 70, "LUXminer stats")

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
                    "Profile": f"{MHZ}MHz",
                    "Rejected": r.rejected // boards,
                    "SerialNumber": serial(self._host.spec.id, f"board{number}").upper(),
                    "Status": "Alive" if r.chips_ok else "Dead",
                    "Temperature": r.pcb_temp_c[number],
                    "Total MH": r.rate_av * share * 1000.0,
                    "Utility": 0,
                }
            )
        return self.reply("DEVS", devices, 9, f"{boards} ASC(s)")

    def _power(self, r: Readings, _when: int) -> Section:
        return self.reply("POWER", [{"PSU": False, "Watts": round(r.power_w)}], 311, "Power usage")

    def _temps(self, r: Readings, _when: int) -> Section:
        boards: list[Section] = [
            {
                "ID": n,
                "TEMP": n,
                "BottomLeft": hot,
                "TopLeft": hot,
                "BottomRight": _intake(hot),
                "TopRight": _intake(hot),
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

    def _profiles(self, r: Readings, _when: int) -> Section:
        profiles: list[Section] = [
            {
                "CanRestore": True,
                "Frequency": MHZ + 25 * step,
                "HasOverrides": False,
                "Hashrate": round(r.target_gh / 1000.0 * (MHZ + 25 * step) / MHZ, 1),
                "IsDynamic": True,
                "IsTuned": step == 0,
                "Profile Name": f"{MHZ + 25 * step}MHz",
                "Step": str(step),
                "Voltage": 11.88,
                "Watts": round(self._host.spec.power_w * (MHZ + 25 * step) / MHZ),
            }
            for step in range(-2, 3)
        ]
        return self.reply("PROFILES", profiles, 313, f"{len(profiles)} Profile(s)")

    def _tempctrl(self, _reading: Readings, _when: int) -> Section:
        limits: Section = {"Dangerous": 75, "Hot": 70, "Mode": "Automatic", "Target": 60}
        return self.reply("TEMPCTRL", [limits], 329, "Temperature control")

    def _atm(self, _reading: Readings, _when: int) -> Section:
        atm: Section = {
            "Enabled": False,
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
        return self.reply("EVENTS", events, 357, "Miner Events")

    def _config(self, r: Readings, _when: int) -> Section:
        spec = self._host.spec
        config: Section = {
            "ASC Count": len(r.board_rates_gh),
            "ControlBoardType": "cvitek",
            "Cooling": "Air",
            "CurtailMode": "Sleep" if r.suspended else "None",
            "DHCP": True,
            "FeeStatus": "Ok",
            "GreenLed": "auto",
            "Hostname": spec.id,
            "Hotplug": "None",
            "IPAddr": spec.host,
            "ImmersionMode": False,
            "IsAtmEnabled": False,
            "IsPowerSupplyOn": not r.suspended,
            "IsSingleVoltage": True,
            "IsTuning": False,
            "Log Interval": 0,
            "MACAddr": mac(spec.id, spec.mac).lower(),
            "Model": antminer_type(spec.model),
            "NameplateTHS": spec.hashrate_th,
            "OS": "LuxOS",
            "PGA Count": 0,
            "Pool Count": 1,
            "Profile": f"{MHZ}MHz",
            "ProfileStep": "0",
            "RedLed": self.led,
            "SerialNumber": serial(spec.id, "miner").upper(),
            "Strategy": "Failover",
            "SystemStatus": "Normal",
        }
        return self.reply("CONFIG", [config], 33, "LUXminer config")


def _intake(exhaust_c: float) -> float:
    return round(25.0 + (exhaust_c - 25.0) * 0.4, 1)


def _chain(r: Readings, slot: int, chips: int) -> Section:
    if slot > len(r.board_rates_gh):
        cold = "0-0-0-0"
        return {
            f"chain_acn{slot}": 0,
            f"chain_acs{slot}": "",
            f"chain_hw{slot}": 0,
            f"chain_rate{slot}": "0",
            f"freq{slot}": 0.0,
            f"temp_chip{slot}": cold,
            f"temp_pcb{slot}": cold,
            f"temp_pic{slot}": cold,
        }
    hot = r.pcb_temp_c[slot - 1]
    corners = f"{hot:.0f}-{_intake(hot):.0f}-{_intake(hot):.0f}-{hot:.0f}"
    groups, rest = divmod(chips, 4)
    mark = "o" if r.chips_ok else "x"
    return {
        f"chain_acn{slot}": chips,
        f"chain_acs{slot}": f" {mark * 4}" * groups + (f" {mark * rest}" if rest else ""),
        f"chain_hw{slot}": r.hw_errors // len(r.board_rates_gh),
        f"chain_rate{slot}": f"{r.board_rates_gh[slot - 1]:.2f}",
        f"freq{slot}": float(MHZ),
        f"temp{slot}": hot,
        f"temp2_{slot}": hot,
        f"temp_chip{slot}": corners,
        f"temp_pcb{slot}": corners,
        f"temp_pic{slot}": corners,
    }
