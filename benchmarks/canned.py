"""Canned miners for benchmarks: a server process that answers with fixed replies at no cost to the measured client.

`python -m benchmarks.canned` listens on 127.N.{1,2,3}.x:4028 for stock Antminer, LuxOS and Whatsminer, and for the
stock Antminers on a web port with the CGI pages behind a digest challenge; any answer to the challenge is let in. It
prints one line of JSON with that port when it is ready, and ends when its standard input does.
"""

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import cast

from agent.model.topology import Family

API_PORT = 4028
WEB_PORT = 80
UNPRIVILEGED_WEB_PORT = 10_080
MAX_REQUEST_BYTES = 16_384
_SUBNET = {Family.ANTMINER_STOCK: 1, Family.LUXOS: 2, Family.WHATSMINER: 3}
_WHEN = 1_767_225_600
_AGE_S = 90_000

Json = dict[str, object]
Commands = dict[str, Json]


def addresses(family: Family, count: int, octet: int) -> list[str]:
    """Return the loopback addresses of a family's miners; runs beside each other take different second octets."""
    return [f"127.{octet}.{_SUBNET[family]}.{index}" for index in range(1, count + 1)]


def _reply(name: str, rows: list[Json], speaker: str) -> Json:
    status = {"STATUS": "S", "When": _WHEN, "Code": 11, "Msg": name.title(), "Description": speaker}
    return {"STATUS": [status], name.upper(): rows, "id": 1}


def _shares(accepted: int, diff: float) -> Json:
    return {
        "Accepted": accepted, "Rejected": 11, "Stale": 1, "Discarded": 4_528_177, "Get Failures": 1,
        "Remote Failures": 0, "Getworks": 3_957, "Best Share": 12_904_207, "Difficulty Accepted": accepted * diff,
        "Difficulty Rejected": 11 * diff, "Difficulty Stale": 0.0, "Pool Rejected%": 0.19, "Pool Stale%": 0.0,
    }  # fmt: skip


def _summary(rates: Json, accepted: int, diff: float, **more: object) -> Json:
    return {
        "Elapsed": _AGE_S, **rates, "Found Blocks": 0, **_shares(accepted, diff), "Utility": 4.82,
        "Hardware Errors": 562, "Local Work": 4_532_155, "Network Blocks": 82, "Work Utility": 1_554_353.85,
        "Device Hardware%": 0.0, "Device Rejected%": 0.0, "Last getwork": _WHEN, **more,
    }  # fmt: skip


def _pools(diff: float, **more: object) -> list[Json]:
    return [
        {
            "POOL": index, "URL": f"stratum+tcp://pool{index}.example.net:3333", "Status": "Alive", "Priority": index,
            "Quota": 1, "Long Poll": "N", **_shares(0 if index else 4_057, diff), "User": "site.worker1",
            "Last Share Time": "0:00:03", "Diff1 Shares": 0, "Proxy Type": "", "Proxy": "",
            "Last Share Difficulty": diff, "Has Stratum": True, "Stratum Active": index == 0,
            "Stratum URL": f"pool{index}.example.net", "Has GBT": False, **more,
        }
        for index in range(3)
    ]  # fmt: skip


def _bitmain_stats(model: str, rate_gh: float, target_gh: float, chips: int) -> list[Json]:
    data: Json = {
        "STATS": 0, "ID": "BTM_SOC0", "Elapsed": _AGE_S, "Calls": 0, "Wait": 0, "Max": 0, "Min": 99_999_999,
        "GHS 5s": rate_gh, "GHS av": rate_gh, "rate_30m": rate_gh, "Mode": 2, "miner_count": 3, "frequency": 525,
        "fan_num": 4, "fan1": 6000, "fan2": 5880, "fan3": 5040, "fan4": 5040, "temp_num": 3, "temp1": 73, "temp2": 66,
        "temp3": 64, "temp_max": 0, "total_rateideal": target_gh, "rate_unit": "GH", "total_freqavg": 525,
        "total_acn": 3 * chips, "total rate": rate_gh, "no_matching_work": 562, "miner_version": "49.0.1.3",
        "miner_id": "0123456789abcdef",
    }  # fmt: skip
    for chain in range(1, 5):
        on = chain < 4
        data |= {
            f"freq{chain}": 525 if on else 0, f"chain_acn{chain}": chips if on else 0,
            f"chain_acs{chain}": " ooo" * (chips // 3) if on else "", f"chain_hw{chain}": 183 if on else 0,
            f"chain_rate{chain}": f"{rate_gh / 3:.2f}" if on else "", f"temp2_{chain}": 78 if on else 0,
            f"temp_pcb{chain}": "73-45-64-65" if on else "0-0-0-0",
            f"temp_pic{chain}": "63-35-54-55" if on else "0-0-0-0",
            f"temp_chip{chain}": "78-50-69-70" if on else "0-0-0-0",
        }  # fmt: skip
    about: Json = {"Miner": "49.0.1.3", "CompileTime": "Tue Dec  6 16:12:30 CST 2022", "Type": model}
    return [about, data]


def _antminer() -> Commands:
    rates: Json = {"GHS 5s": 110_566.89, "GHS av": 111_834.85, "GHS 30m": 111_878.26, "Total MH": 10_065_136_500_000.0}
    speaker = "cgminer 1.0.0"
    return {
        "summary": _reply("summary", [_summary(rates, 4_057, 524_288.0)], speaker),
        "pools": _reply("pools", _pools(524_288.0, Diff="524K"), speaker),
        "stats": _reply("stats", _bitmain_stats("Antminer S19 Pro", 110_566.89, 110_000.0, 114), speaker),
        "version": _reply("version", [{"API": "3.1", "Miner": "49.0.1.3", "Type": "Antminer S19 Pro"}], speaker),
    }


def _luxos() -> Commands:
    rates: Json = {f"GHS {span}": 119_756.06 for span in ("5s", "1m", "5m", "15m", "30m", "24h", "av")}
    speaker = "LUXminer 2025.4.8.220305"
    fans: list[Json] = [{"FAN": f"FAN{i}", "ID": i - 1, "RPM": 4_920, "Speed": 60} for i in range(1, 5)]
    diff: Json = {"Diff": "32K", "Stratum Difficulty": 32_768, "Work Difficulty": 32_768, "GROUP": 0, "AsicBoost": True}
    config: Json = {
        "ASC Count": 3, "ControlBoardType": "cvitek", "Cooling": "Air", "CurtailMode": "None", "DHCP": True,
        "FPGABuildIdStr": "2018-35-18 35:00", "GreenLed": "auto", "Hostname": "miner1", "ImmersionMode": False,
        "IsAtmEnabled": True, "IsPowerSupplyOn": True, "IsSingleVoltage": True, "IsTuning": False, "Log Interval": 0,
        "MACAddr": "02:00:00:00:00:02", "Model": "Antminer S19k Pro", "NameplateTHS": 121.8, "OS": "LuxOS",
        "Pool Count": 3, "Profile": "default", "ProfileStep": "0", "RedLed": "auto", "Strategy": "Failover",
        "SystemStatus": "Normal", "UpdateOnStartup": "off", "UpdateOnTimeout": "off", "UpdateTimeout": 60,
    }  # fmt: skip
    event: Json = {"Code": "REBOOT_NOT_HASHING", "CreatedAt": "2026-04-08T03:38:27+00:00", "Target": "BOARD"}
    return {
        "summary": _reply("summary", [_summary(rates | {"Total MH": 119_756_060.0}, 36_483, 32_768.0)], speaker),
        "pools": _reply("pools", _pools(32_768.0, **diff), speaker),
        "stats": _reply("stats", _bitmain_stats("Antminer S19k Pro", 119_756.06, 120_000.0, 77), speaker),
        "fans": _reply("fans", fans, speaker),
        "power": _reply("power", [{"PSU": True, "Watts": 2_760}], speaker),
        "config": _reply("config", [config], speaker),
        "events": _reply("events", [event], speaker),
    }


def _whatsminer() -> Commands:
    rates: Json = {f"MHS {span}": 67_394_800.97 for span in ("5s", "1m", "5m", "15m", "av")}
    speaker = "cgminer 4.9.2"
    temps: Json = {"Temperature": 71.5, "Chip Temp Min": 71.0, "Chip Temp Max": 92.5, "Chip Temp Avg": 84.11}
    fans: Json = {"Fan Speed In": 6_450, "Fan Speed Out": 6_480}
    boards: list[Json] = [
        {
            "ASC": slot, "Slot": slot, "Name": "SM", "Enabled": "Y", "Status": "Alive", **temps, "Chip Frequency": 650,
            **fans, **{key: value / 3 for key, value in rates.items() if isinstance(value, float)}, "Accepted": 795,
            "Rejected": 0, "Hardware Errors": 15, "Utility": 4.7, "Last Share Pool": 0, "Last Share Time": _WHEN,
            "Total MH": 2_021_844_029_100.0, "Diff1 Work": 209_185, "Difficulty Accepted": 53_673_984.0,
            "Difficulty Rejected": 0.0, "Last Share Difficulty": 65_536.0, "Last Valid Work": _WHEN,
            "Device Hardware%": 0.0072, "Device Rejected%": 0.0, "Device Elapsed": _AGE_S, "Upfreq Complete": 1,
            "Effective Chips": 105, "PCB SN": f"H5M14S69129A17K1009{slot}",
        }
        for slot in range(3)
    ]  # fmt: skip
    more: Json = {
        "Total MH": 6_065_532_087_300.0, "HS RT": 67_394_800.97, "freq_avg": 648, **fans, "Voltage": 1180,
        "Power": 3417, "Power_RT": 3427, "Uptime": _AGE_S + 60, "Security Mode": 0, "Hash Stable": True,
        "Target Freq": 625, "Target MHS": 65_362_500, "Power Mode": "Normal", "Power Limit": 3500,
        "Factory GHS": 68_796, "Power Fanspeed": 9060, "Error Code Count": 0, "Factory Error Code Count": 0,
        "Liquid Cooling": False, "MAC": "02:00:00:00:00:01", **temps,
    }  # fmt: skip
    psu: Json = {
        "hw_version": "",
        "model": "P21-12-3600-E",
        "name": "P21",
        "sw_version": "102220.009",
        "fan_speed": "9060",
    }
    return {
        "summary": _reply("summary", [_summary(rates, 2_338, 65_536.0, **more)], speaker),
        "pools": _reply("pools", _pools(65_536.0, **{"Stratum Difficulty": 65_536.0}), speaker),
        "devs": _reply("devs", boards, speaker),
        "get_psu": {"STATUS": "S", "When": _WHEN, "Code": 131, "Msg": psu, "Description": "whatsminer v1.4.0"},
    }


COMMANDS: dict[Family, Callable[[], Commands]] = {
    Family.ANTMINER_STOCK: _antminer,
    Family.LUXOS: _luxos,
    Family.WHATSMINER: _whatsminer,
}


def answer(commands: Commands, command: str) -> bytes:
    """Return the reply to a single or joined command, compact JSON and a NUL."""
    names = command.split("+")
    if any(name not in commands for name in names):
        invalid: Json = {
            "STATUS": "E",
            "When": _WHEN,
            "Code": 14,
            "Msg": "Invalid command",
            "Description": "cgminer 1.0.0",
        }
        content: Json = {"STATUS": [invalid], "id": 1}
    elif len(names) == 1:
        content = commands[command]
    else:
        content = {**{name: [commands[name]] for name in names}, "id": 1}
    return json.dumps(content, separators=(",", ":")).encode() + b"\0"


class ApiServer(asyncio.Protocol):
    """Answers one request and closes. Replies are made once a command and kept."""

    def __init__(self, commands: Commands, kept: dict[str, bytes]) -> None:
        self._commands = commands
        self._kept = kept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back. uvloop's transports are no instances of asyncio's."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer; a request always fits one segment on loopback."""
        command = str(json.loads(data[:MAX_REQUEST_BYTES])["command"])
        if command not in self._kept:
            self._kept[command] = answer(self._commands, command)
        self._transport.write(self._kept[command])
        self._transport.close()


class WebServer(asyncio.Protocol):
    """Answers CGI pages on a kept-alive connection, with a digest challenge to requests that bring no answer to one."""

    def __init__(self, pages: dict[str, bytes]) -> None:
        self._pages = pages
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back. uvloop's transports are no instances of asyncio's."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every complete request; none of them has a body."""
        self._buffer = (self._buffer + data)[-MAX_REQUEST_BYTES:]
        while b"\r\n\r\n" in self._buffer:
            head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
            page = head.split(b" ", 2)[1].decode().removeprefix("/cgi-bin/").removesuffix(".cgi")
            if b"authorization: digest" not in head.lower():
                challenge = b'WWW-Authenticate: Digest realm="antMiner Configuration", nonce="c0ffee", qop="auth"'
                self._send(b"401 Unauthorized", challenge, b"")
            elif page in self._pages:
                self._send(b"200 OK", b"Content-Type: application/json", self._pages[page])
            else:
                self._send(b"404 Not Found", b"Content-Type: text/plain", b"")

    def _send(self, status: bytes, header: bytes, body: bytes) -> None:
        self._transport.write(b"HTTP/1.1 %b\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (status, header, len(body), body))


def pages() -> dict[str, bytes]:
    """Return the stock Antminer's CGI pages that get_data asks for, by name without folder and ending."""
    chain: list[Json] = [
        {
            "index": index, "freq_avg": 525, "rate_ideal": 36_666.0, "rate_real": 36_855.6, "asic_num": 114,
            "asic": " ooo" * 38, "temp_pic": [63, 35, 54, 55], "temp_pcb": [73, 45, 64, 65],
            "temp_chip": [78, 50, 69, 70],
            "hw": 183, "eeprom_loaded": True, "sn": f"SMTTYRHBDJAAI01{index}", "hwp": 0.01, "tpl": [],
        }
        for index in range(3)
    ]  # fmt: skip
    stats: Json = {
        "elapsed": _AGE_S, "rate_5s": 110_566.89, "rate_30m": 111_878.26, "rate_avg": 111_834.85,
        "rate_ideal": 110_000.0, "rate_unit": "GH/s", "chain_num": 3, "fan_num": 4,
        "fan": [6000, 5880, 5040, 5040],
        "hwp_total": 0.01, "miner-mode": 0, "freq-level": 100, "chain": chain,
    }  # fmt: skip
    pool: Json = {"url": "stratum+tcp://pool0.example.net:3333", "user": "site.worker1", "pass": "123"}
    settings: Json = {
        "pools": [pool] * 3, "api-listen": True, "api-network": True,
        "api-groups": "A:stats:pools:devs:summary:version", "api-allow": "A:0/0,W:*",
        "bitmain-fan-ctrl": False, "bitmain-fan-pwm": "100", "bitmain-use-vil": True,
        "bitmain-freq": "525", "bitmain-voltage": "1280", "bitmain-ccdelay": "0", "bitmain-pwth": "0",
        "bitmain-work-mode": "0", "bitmain-freq-level": "100",
    }  # fmt: skip
    return {
        "stats": json.dumps(_reply("stats", [stats], "cgminer 1.0.0")).encode(),
        "get_miner_conf": json.dumps(settings).encode(),
    }


async def serve(count: int, octet: int) -> None:
    """Listen on every address and, once ready, print the web port; return when standard input ends."""
    loop = asyncio.get_running_loop()
    web_port = WEB_PORT
    async with contextlib.AsyncExitStack() as stack:
        for family, make in COMMANDS.items():
            commands = make()
            kept: dict[str, bytes] = {}
            for address in addresses(family, count, octet):
                server = await loop.create_server(partial(ApiServer, commands, kept), address, API_PORT)
                await stack.enter_async_context(server)
        content = pages()
        for address in addresses(Family.ANTMINER_STOCK, count, octet):
            try:
                server = await loop.create_server(partial(WebServer, content), address, web_port)
            except PermissionError:
                web_port = UNPRIVILEGED_WEB_PORT
                server = await loop.create_server(partial(WebServer, content), address, web_port)
            await stack.enter_async_context(server)
        print(json.dumps({"web_port": web_port}), flush=True)
        await loop.run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    import uvloop

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=8, help="miners a family (at most 250)")
    parser.add_argument("--octet", type=int, default=77, help="the addresses' second octet (N above)")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(min(arguments.count, 250), arguments.octet))
