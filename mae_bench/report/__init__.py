"""Boards, figures and the progress of a run, for people to read. Nothing here runs a model."""
