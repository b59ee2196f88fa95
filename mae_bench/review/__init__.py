"""Can these records be trusted? The static check, reruns, and the badges that follow from both."""
