"""What the drivers share: our side, the peer's side, and the JSON line of a figure. Standard library only."""
