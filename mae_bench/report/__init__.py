"""Boards, and the progress of a run, as a person reads them."""
