"""Entries in the menus of file managers and launchers, and what answers KRunner."""
