"""The append-only ledger: what happened, in one order, for ever.

`store` is the daemon's side (one writer), `reader` and `queries` everybody else's; `database` opens the file, `writer`
commits, `chain` links each event to the one before, `fold` turns events into state. No KPIs here: `agent.report`.
"""
