"""The measures of a model: functions of (adapter, data) and nothing else."""
