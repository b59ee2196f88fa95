# mae-bench for a CPU or for CUDA: docker build --build-arg DEVICE=cpu --tag mae-bench .
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# cpu: torch without CUDA's libraries, a tenth of the size. cuda: needs `docker run --gpus all`.
ARG DEVICE=cpu

WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY mae_bench mae_bench
COPY baselines baselines
COPY tasks tasks
COPY docs/examples docs/examples
RUN case "${DEVICE}" in \
        cpu) index="--extra-index-url=https://download.pytorch.org/whl/cpu" ;; \
        cuda) index="--extra-index-url=https://pypi.org/simple" ;; \
        *) echo "DEVICE is ${DEVICE}, which is neither cpu nor cuda; give one of them" >&2; exit 2 ;; \
    esac \
    && pip install --no-cache-dir "${index}" -c constraints.txt . \
    && mkdir -m 1777 /runs /data

# Any user may run it, so that records belong to whoever asked for them: docker run --user "$(id -u)".
ENV HOME=/tmp MAE_BENCH_DATA=/data NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /runs
ENTRYPOINT ["mae-bench"]
CMD ["--help"]
