"""Words -> jobs: how models, tasks and suites are written, found and checked. No module here imports torch itself."""
