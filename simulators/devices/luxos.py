"""LuxOS on TCP 4028: who may say what, sessions, and control.

What the reading commands say is in `luxos_telemetry`, what changes pools in `luxos_pools`.

Sessions are no protection: one at a time, gone after a minute without use (Luxor's documentation of the API, "Session
management"). With a dead mining process every mining command answers an error and control goes on working.
"""

import random
from collections.abc import Callable, Mapping, Sequence

from simulators.devices.cgminer_api import INVALID_COMMAND, Answer, Reply, Request, Section, join
from simulators.devices.host import MinerHost
from simulators.devices.luxos_pools import LuxosPools
from simulators.devices.luxos_telemetry import LuxosTelemetry
from simulators.plant.luxos_profiles import share_of, step_called
from simulators.plant.readings import Readings

SESSION_S = 60.0

NO_SESSION = 402
NOT_READY = 398
"""A message code for which no document of the vendor gives a number: no client should depend on it."""
_SESSION_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class LuxosApi:
    """The commands of one LuxOS miner."""

    accepts_text = False

    def __init__(self, host: MinerHost, rng: random.Random) -> None:
        self._host = host
        self._rng = rng
        self._session = ""
        self._session_until = 0.0
        self._telemetry = LuxosTelemetry(host)
        self._pools = LuxosPools(host, self._telemetry)
        self._control: Mapping[str, Callable[[Sequence[str]], Answer]] = {
            "logoff": self._logoff,
            "resetminer": self._resetminer,
            "rebootdevice": self._rebootdevice,
            "curtail": self._curtail,
            "profileset": self._profileset,
            "ledset": self._ledset,
        }

    def answer(self, request: Request) -> Answer:
        """Reply to one command or to several joined ones; only reading commands can be joined."""
        if request.joined:
            seen = self._host.readings()
            parts = {name: self._read(name, *seen) for name in request.commands}
            return Answer(join(parts), telemetry=True)
        name = request.commands[0] if request.commands else ""
        if name == "logon":
            return self._logon()
        if name in self._control:
            session, *arguments = request.parameter.split(",")
            refused = self._check(session)
            return Answer(refused) if refused else self._control[name](arguments)
        if name in self._pools.commands:
            return self._change_pools(name, request.parameter)
        return Answer(self._read(name, *self._host.readings()), telemetry=name in self._telemetry.mining)

    def error(self, code: int, message: str) -> Section:
        """Return an error in a STATUS list."""
        return {"STATUS": [self._telemetry.status(code, message, "E")], "id": 1}

    def _read(self, name: str, reading: Readings, when: int) -> Reply:
        if name == "session":
            return self._telemetry.reply("SESSION", [{"SessionID": self._live_session()}], 319, "Session information")
        builder = self._telemetry.system.get(name)
        if builder is None and name in self._telemetry.mining:
            if not self._host.process_up():
                return self.error(NOT_READY, "Miner is not running")
            builder = self._telemetry.mining[name]
        if builder is None:
            return self.error(INVALID_COMMAND, "Invalid command")
        return builder(reading, when)

    def _change_pools(self, name: str, parameter: str) -> Answer:
        if not self._host.process_up():
            return Answer(self.error(NOT_READY, "Miner is not running"))
        return self._pools.commands[name](parameter)

    # -- sessions and control ----------------------------------------------------------------------------------------

    def _live_session(self) -> str:
        if self._host.now() >= self._session_until:
            self._session = ""
        return self._session

    def _check(self, session: str) -> Section | None:
        """Refuse a session that is not the live one; a live one is refreshed by being used."""
        if not session or session != self._live_session():
            return self.error(NO_SESSION, "Invalid session_id")
        self._session_until = self._host.now() + SESSION_S
        return None

    def _logon(self) -> Answer:
        if self._live_session():
            return Answer(self.error(NO_SESSION, "Another session is active"))
        self._session = "".join(self._rng.choices(_SESSION_LETTERS, k=8))
        self._session_until = self._host.now() + SESSION_S
        return Answer(self._telemetry.reply("SESSION", [{"SessionID": self._session}], 316, "Session created"))

    def _logoff(self, _arguments: Sequence[str]) -> Answer:
        self._session = ""
        return Answer({"STATUS": [self._telemetry.status(318, "Session terminated")], "id": 1})

    def _resetminer(self, _arguments: Sequence[str]) -> Answer:
        content: Section = {"STATUS": [self._telemetry.status(325, "Miner restart scheduled")], "id": 1}
        return Answer(content, effect=lambda: self._restart(self._host.plant.restart_process))

    def _rebootdevice(self, _arguments: Sequence[str]) -> Answer:
        content: Section = {"STATUS": [self._telemetry.status(308, "Device reboot scheduled")], "id": 1}
        return Answer(content, effect=lambda: self._restart(self._host.plant.reboot))

    def _restart(self, how: Callable[[float], object]) -> None:
        self._session = ""
        how(self._host.now())

    def _curtail(self, arguments: Sequence[str]) -> Answer:
        mode = arguments[0] if arguments else ""
        words = {"sleep": "sleep mode", "wakeup": "wake up"}.get(mode)
        if words is None:
            return Answer(self.error(INVALID_COMMAND, "Invalid curtail action"))
        content = self._telemetry.reply("CURTAIL", [{"Action": words}], 335, "Curtailment command sent")
        return Answer(content, effect=lambda: self._sleep(mode == "sleep"))

    def _sleep(self, sleeps: bool) -> None:
        plant, now = self._host.plant, self._host.now()
        if sleeps:
            plant.suspend(now)
        else:
            plant.resume(now)

    def _profileset(self, arguments: Sequence[str]) -> Answer:
        step = step_called(arguments[0]) if len(arguments) == 1 else None
        if step is None:
            return Answer(self.error(INVALID_COMMAND, "Invalid profile"))
        content = self._telemetry.reply("PROFILE", [{"Profile": arguments[0]}], 314, "Profile set")
        return Answer(content, effect=lambda: self._run_at(step))

    def _run_at(self, step: int) -> None:
        self._host.plant.derate(self._host.now(), share_of(step))

    def _ledset(self, arguments: Sequence[str]) -> Answer:
        if len(arguments) != 2 or arguments[0] != "red" or arguments[1] not in {"auto", "on", "off", "blink"}:
            return Answer(self.error(INVALID_COMMAND, "Invalid LED or state"))
        self._telemetry.led = arguments[1]
        return Answer(
            self._telemetry.reply("LED", [{"Color": "red", "State": self._telemetry.led}], 327, "LED state changed")
        )
