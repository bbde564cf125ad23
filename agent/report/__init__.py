"""From incidents to figures and their presentation: pure folds, tables, CSV, JSON, timelines. Opens no ledger."""
