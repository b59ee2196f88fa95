"""Records -> boards: which rows may be compared, and how certain a difference is. Nothing here imports torch."""
