"""May these records be believed? Static checks, reruns, and the badges that follow from both."""
