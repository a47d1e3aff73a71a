"""The parent's side of child processes: starting, talking, deadlines, killing.

Workers import the framing from here, so importing this package imports nothing.
"""
