"""`python -m mae_bench` is the console script `mae-bench`."""

from mae_bench.cli import main

main()
