"""mae-bench, with this machine in place of a Slurm cluster: submitit's local executor."""

from mae_bench.cli import main
from mae_bench.executors import slurm

slurm.CLUSTER = "local"
main(prog_name="mae-bench")
