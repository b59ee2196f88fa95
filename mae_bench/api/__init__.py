"""The verbs as functions of Python; `mae_bench` offers the public ones under its own name."""
