"""The one error tree. Nothing else crosses a driver.

AgentError
├── TransportError        the wire failed; whether a write took effect is unknown
│   ├── RefusedError      the host is up and nothing listens there; nothing was delivered
│   ├── ResetError        the connection was accepted and then reset
│   └── SilentError       no answer within the deadline
├── DeviceError           the device answered, and the answer is no
├── CodecError            the device answered garbage
├── PolicyError           we refused (configuration, guard, missing credential)
└── InvariantError        our own bug: stop that run and escalate

A message says what was expected, what came, and what to do; it never holds a secret.
"""


class AgentError(Exception):
    """Root of every error the agent raises on purpose."""


class TransportError(AgentError):
    """The wire failed. After a write the outcome is unknown: look before repeating."""


class RefusedError(TransportError):
    """The host is up and actively refused the connection: nothing listens on that port."""


class ResetError(TransportError):
    """The host accepted the connection and reset it before it answered: what was sent may have taken effect."""


class SilentError(TransportError):
    """No complete answer within the deadline."""


class DeviceError(AgentError):
    """The device answered, and the answer is no; or it was seen not to do what it said."""


class CodecError(AgentError):
    """The device answered something that is not its protocol."""


class PolicyError(AgentError):
    """The agent itself refused: configuration, guard, or a credential that is missing."""


class InvariantError(AgentError):
    """A bug of ours. The run that raised it stops and escalates."""
