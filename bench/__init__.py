"""Measurements of this service and of comparable ones. `script/bench` runs them; tests do not."""
