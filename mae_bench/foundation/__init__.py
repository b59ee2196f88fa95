"""What everything else stands on and what knows nothing of VAEs: errors, whole files, hashes, seeds, signals."""
