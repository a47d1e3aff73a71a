"""What happens while somebody listens: changes since a clock, live queries, who is woken."""
