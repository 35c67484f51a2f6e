"""Where an accepted add becomes durable before its 200, and the drain that turns it into rows.

`contract` is what each intake promises, `selection` finds the one that INTAKE_URL names. Each kind
has a room of its own. To add one: a class that keeps the contract, and its line in `selection`.

May import: tracker, tracker.rows
"""
