"""Records -> what may be compared with what, and how sure it is. Nothing here imports torch."""
