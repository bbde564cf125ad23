"""What is needed of a person, in a sentence, by the reason for which he is asked; what the ticket and the messages say.

A reason is a word that programs compare. Who is woken by it wants to know what to do.
"""

from collections.abc import Mapping

from agent.model.guard import GuardReason as Guard
from agent.model.incident import Reason

OWN: Mapping[str, str] = {
    Reason.OWN_NETWORK: "look at the cable, the port and the router of the agent's machine; the site may be well",
    Reason.OWN_LEDGER: "look at the disk of the agent's machine: free space, wear, what else writes",
    Reason.OWN_LAG: "look at what keeps the agent's machine busy",
    Reason.OWN_CLOCK: "set the clock of the agent's machine right; if the new time is right, restart the agent",
    Reason.OWN_DNS: "look at the nameservers of the agent's machine (/etc/resolv.conf) and the way to them",
}
"""By cause, where the agent itself is ill; it goes on by itself when that is done."""

_POWER: Mapping[str, str] = {
    "breaker_tripped": "find out why it tripped, switch its outlets off, close it, switch one on; the others follow",
    "outlets_off": "somebody switched these outlets off: find out who and why, or switch one on; the others follow",
    "outlet_off": "somebody switched the miner's outlet off: find out who and why, and switch it on",
    "pdu_silent": "see whether the PDU has power and network; nothing is known of its outlets",
    "pdu_outlets_off": "the PDU has power and its outlets are off: find out why, switch one on; the others follow",
    "pdu_without_feed": "restore the PDU's feed; if its outlets stay off then, switch one on and the others follow",
    "pdu_back_miners_silent": "the PDU gives power again and its miners stay silent: look at one, and at the network",
    "pdu_failed": "switch the outlet by hand: the PDU does not do what it is told; then have it replaced",
    "power_lost": "find what lost its power: the miners' outlets give nothing",
    "no_power_draw": "its outlet is on and it draws nothing: look at the cord; expect to replace the supply",
    "supply_did_not_start": "its supply did not start after the power cycle: replace it",
    "supply_cuts_out": "its power supply cuts out again and again: replace it, or check its cord and input voltage",
    "outlet_map_wrong": "find out which outlet feeds which miner, correct the inventory, then: terrahash outlets trust",
}
_NETWORK: Mapping[str, str] = {
    "no_link": "check the cable between the miner and its switch port, and both plugs",
    "link_down": "check the cable between the miner and its switch port: the port has no link",
    "port_admin_down": "somebody took the switch port down: find out why, and bring it up",
    "port_left_down": "bring the switch port up by hand: the agent took it down and could not",
    "wrong_vlan": "put the switch port into the VLAN of its neighbours",
    "cable_errors": "replace the cable: its port receives damaged frames",
    "bounce_failed": "the switch refused to restart the port: check its write access, or restart the port by hand",
    "works_unreached": "it draws full power and is not at its address: find it on the network, correct the inventory",
    "switch_silent": "see whether the network switch has power and an uplink",
    "switch_uplink": "restore the network switch's uplink: cable, port, the switch above",
    "subnet_lost": "restore the way to this subnet: router, VLAN, trunk",
    "site_network_down": "restore the site's network: core switch, router",
}
_POOLS: Mapping[str, str] = {
    "no_pool_group": "name the miner's pools: give it a pool_group in the inventory",
    "unauthorised_pool": "put the site's pools back and change the miner's password: it works for somebody else",
    "unauthorised_pool_again": "somebody is inside: its pools were replaced again; change passwords, re-flash",
    "gateway_path": "restore the site's way out: no pool can be reached from here",
    "no_healthy_pool": "no pool of the group is good: ask the pool, or add one that is",
    "pool_good_from_here": "the pool is good from here and its miners lose it: look at proxy and firewall between",
    "miner_only": "look at this miner's pool settings and network: others work well for the pool",
    "pool_flaps": "ask the pool why it comes and goes; there is no better one to go to",
    "pool_times_out": "lengthen the proxy's time-out: it drops all its miners at this period",
    "drops_elsewhere": "look at the site's own way out: the drops followed the miners to another pool",
    "switch_failed": "change these miners' pools by hand: they did not take it",
    "stragglers": "look at the miners that are still ill: the others are well at the new pool",
    "pools_not_restored": "set this miner's pools by hand: it was flashed and does not take them",
    "path_rejects": "look at the switch that these miners share: their shares are damaged or late on the way",
    "rejects_everywhere": "shares are refused at every pool: look at the site's way out and at the firmware",
    "hardware_rejects": "test the miner's hashboards: its shares are bad at every pool and at less power",
}
_HEAT: Mapping[str, str] = {
    "cooling_lost": "restore the cooling; the miners sleep, and are woken when it is back",
    "cooling_lost_miners_awake": "cut these miners' power or restore the cooling at once: they did not go to sleep",
    "hot_at_any_share": "clean the miner, check its fans or cold plate: it is hot even at the least power",
    "heat_unproven": "see whether the miner is cool at work: too little could be read of it to tell",
    "pump_failed": "look at the unit's pumps: one has failed, and the loop is not cooled as it should be",
    "cooling_unit_silent": "see whether the cooling unit has power and network: nobody watches its loop meanwhile",
    "sensor_contradicted": "check the cooling unit's sensors: they do not fit what the miners on it show",
    "flow_sensor_contradicted": "check the cooling unit's flow sensor: it shows none, and the miners on it stay cool",
    "unit_in_local_mode": "the unit is in local mode: whoever works at it has the loop",
    "no_step_left": "see to the loop's heat rejection: flow and supply are at their bounds, and it is still too warm",
    "setpoint_not_taken": "set the unit by hand: it does not take what is written to it",
    "cannot_be_derated": "clean the miner, or lower its power by hand: it is hot and does not take less",
    "does_not_cool_down": "look at once: it stopped for heat, and does not cool down",
    "does_not_hash_again": "start it by hand: it has cooled down after a cut-out, and does not hash",
    "derated_needs_repair": "test its hashboards; it is good at less power and stays so until then",
}
_PARTS: Mapping[str, str] = {
    "fan_lost": "replace the fan",
    "degraded": "test the hashboards: it hashes steadily below what it should",
    "board_lost": "reseat or replace the hashboard; a cold cycle did not bring it back",
    "did_not_come_back": "look at the miner: it did not come back after the cold cycle",
    "restart_failed": "restart its mining process by hand: it does not take the command",
    "keeps_returning": "find what is behind it: it was well again and again, and never for an hour",
    "exhausted": "look at the miner: everything that may be done from here was tried",
    "evidence_missing": "look at the miner: too little can be read from here to act on",
    "unreachable": "look at the miner: it cannot be reached to have its firmware mended",
}
_FIRMWARE: Mapping[str, str] = {
    "no_way_to_flash": "re-flash it by hand, or give the agent a way in (ssh, logins in the configuration)",
    "no_image_allowed": "re-flash it by hand, or allow an image for its model and control board (images)",
    "control_board_unknown": "write its control board into the inventory: several images would fit",
    "flash_did_not_hold": "replace the control board, or flash it by SD card: it fails again on a proven image",
    "flash_not_begun": "flash it by hand: it took the image and did not begin",
    "flash_unproven": "do not cut its power; see at the miner whether the flash is done",
}
_GUARDS: Mapping[str, str] = {
    Guard.OBSERVE_MODE: "the agent only observes: do it yourself, or trust the playbook (terrahash trust)",
    Guard.APPROVAL_DENIED: "yours, as you denied what the agent would have done",
    Guard.APPROVAL_EXPIRED: "nobody answered in time: do it yourself, or have it tried anew by ending the incident",
    Guard.BANK_LOAD: "take load off the breaker first: one more miner would be more than it may carry",
    Guard.DAILY_LIMIT: "look at the miner: it was power-cycled as often as it may be in a day",
    Guard.FLASHING: "do not cut its power: a flash may be under way; look at the miner",
    Guard.IMAGE_NOT_ALLOWED: "allow the image for this model and control board, or flash it by hand",
    Guard.IMAGE_FROZEN: "see what the image did to the first miner, then: terrahash images release",
    Guard.FLASHED_BEFORE: "flash it by hand: it was flashed in this incident already",
    Guard.SETPOINT_MOVED: "somebody else moved the unit's setpoint: find out who, or set it back to the site's",
    Guard.ANOTHERS_SETPOINT: "settle the other incident that moved this unit first",
    Guard.OUTLET_MAP_DOUBTED: "find out which outlet feeds which miner, then: terrahash outlets trust",
    Guard.OUTLET_WITHOUT_DRAW: "its outlet gave nothing while it was well: find out which outlet feeds it",
    Guard.PROTECTED: "do it by hand: its outlet is protected",
    Guard.SHARED_OUTLET: "do it by hand when the other miner on its outlet may go off too",
    Guard.SETPOINT_BOUNDS: "set the unit by hand, or widen its bounds in the configuration",
    Guard.SETPOINT_STEP: "set the unit by hand: the step is larger than the agent may take",
    Guard.HUMIDITY_UNKNOWN: "set the unit by hand: the dew point is not known, so the supply is not lowered",
    Guard.NO_TARGET: "report this: the playbook wanted to act on nothing",
    Guard.UNIT_UNREAD: "see whether the cooling unit has power and network: it does not answer",
    Guard.UNIT_DOUBTED: "check the cooling unit's supply sensor: nothing is set by what it shows",
    Guard.LEAK: "look at the loop at once: the unit reports a leak",
    Guard.UNIT_ALARM: "look at the unit: it shows an alarm",
    Guard.LOCAL_MODE: "the unit is in local mode: whoever works at it has the loop",
}
_HANDED_OVER: Mapping[str, str] = {
    "not_in_inventory": "the miner left the inventory: see to it by hand",
    "no_playbook": "see to it by hand: no playbook is for this",
    "playbook_changed": "see to it by hand: the playbook was changed while it was at work on this",
    "resumed_too_often": "see to it by hand, and why the agent was restarted so often meanwhile",
    "deferred_too_long": "see what holds the agent back (terrahash explain): it waited an hour to act",
    "curtailed_by_whom": "find out who curtails these miners, and announce it: terrahash curtail",
}

NEEDED: Mapping[str, str] = {
    **OWN, **_POWER, **_NETWORK, **_POOLS, **_HEAT, **_PARTS, **_FIRMWARE, **_GUARDS, **_HANDED_OVER
}  # fmt: skip
"""By the reason of an escalation, or by the cause of the agent's own trouble."""


def needed(reason: str) -> str:
    """Return what a person is to do; the bare reason where no sentence is known for it."""
    return NEEDED.get(reason, f"a person ({(reason or 'no reason recorded').replace('_', ' ')})")
