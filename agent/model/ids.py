"""Identifiers. Strings on the wire and in the ledger, distinct types in the code."""

from typing import NewType

MinerId = NewType("MinerId", str)
PduId = NewType("PduId", str)
SwitchId = NewType("SwitchId", str)
PoolId = NewType("PoolId", str)
PoolGroupId = NewType("PoolGroupId", str)
CoolingUnitId = NewType("CoolingUnitId", str)
IncidentId = NewType("IncidentId", str)
RunId = NewType("RunId", str)
ApprovalId = NewType("ApprovalId", str)
WindowId = NewType("WindowId", str)
"""Of an announced window: `w-000012` where a person opened it, else who says so: `schedule:night`, `mqtt:grid`."""
NoticeId = NewType("NoticeId", str)
ChannelId = NewType("ChannelId", str)
ImageId = NewType("ImageId", str)
"""The SHA-256 of a firmware image, in lower-case hex."""
