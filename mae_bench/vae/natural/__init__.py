"""The paper's networks for natural images."""
