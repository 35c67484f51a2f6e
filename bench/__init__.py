"""Measurements beside peers; not part of the tests. `script/bench` runs them."""
