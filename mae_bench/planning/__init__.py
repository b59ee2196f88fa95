"""Words -> jobs: how models, tasks and suites are written, found and checked. Nothing here imports torch."""
