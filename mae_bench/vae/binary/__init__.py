"""The paper's networks for binary images."""
