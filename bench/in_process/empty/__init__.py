"""A Django site with one empty view and no middleware: the floor under every Django answer."""
