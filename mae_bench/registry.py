"""Where a test that `new-model` wrote before version 0.2 finds its adapter; newer ones use `mae_bench.testing`."""

from mae_bench.planning.registry import load_adapter_class

__all__ = ["load_adapter_class"]
