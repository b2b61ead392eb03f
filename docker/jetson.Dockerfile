# syntax=docker/dockerfile:1
# Jetson Orin with JetPack 6 (L4T 36, CUDA 12.6, Ubuntu 22.04), arm64; Humble. On the Jetson, from the project's root:
#     docker build -f docker/jetson.Dockerfile -t vlsam_ros:jetson .
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0 AS base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 ROS_DISTRO=humble \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all

# The package with ROS's key and repository
ARG ROS_APT_SOURCE=1.1.0
ADD https://github.com/ros-infrastructure/ros-apt-source/releases/download/${ROS_APT_SOURCE}/ros2-apt-source_${ROS_APT_SOURCE}.jammy_all.deb /tmp/ros2-apt-source.deb
WORKDIR /opt/build/src/vlsam_ros
COPY package.xml .
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates /tmp/ros2-apt-source.deb \
    && apt-get update \
    && apt-get install -y --no-install-recommends build-essential python3-colcon-common-extensions python3-pip \
        python3-rosdep python3-venv "ros-$ROS_DISTRO-ros-base" "ros-$ROS_DISTRO-foxglove-bridge" \
        "ros-$ROS_DISTRO-image-transport-plugins" "ros-$ROS_DISTRO-v4l2-camera" \
    && rosdep init && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths . --ignore-src -y \
    && rm -rf /var/lib/apt/lists/* /tmp/ros2-apt-source.deb

# torch for Orin's CUDA 12.6; PyPI's aarch64 wheels are for CUDA 13
ARG TORCH_INDEX=https://pypi.jetson-ai-lab.io/jp6/cu126
COPY docker/requirements.txt docker/
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv --system-site-packages /opt/venv \
    && /opt/venv/bin/pip install --index-url "$TORCH_INDEX" -c docker/requirements.txt torch torchvision \
    && /opt/venv/bin/pip install -r docker/requirements.txt
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH

FROM base AS build
COPY . .
WORKDIR /opt/build
RUN . "/opt/ros/$ROS_DISTRO/setup.bash" \
    && colcon build --merge-install --install-base /opt/vlsam_ros --packages-select vlsam_ros \
        --cmake-args -DBUILD_TESTING=OFF -DPython3_EXECUTABLE=/opt/venv/bin/python

FROM base
# That of the host's user, so that both may use each other's shared memory
ARG UID=1000
RUN useradd --uid "$UID" --create-home --groups video ros
COPY --from=build /opt/vlsam_ros /opt/vlsam_ros
COPY docs/fastdds.xml /opt/fastdds.xml
COPY docker/entrypoint.bash docker/healthcheck.bash /usr/local/bin/
ENV FASTDDS_DEFAULT_PROFILES_FILE=/opt/fastdds.xml FASTRTPS_DEFAULT_PROFILES_FILE=/opt/fastdds.xml

USER $UID
# Weights; made here, so that a new volume belongs to the user.
RUN mkdir -p /home/ros/.cache/huggingface
VOLUME /home/ros/.cache/huggingface
WORKDIR /home/ros
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s --timeout=20s --start-period=5m --retries=3 CMD ["healthcheck.bash"]
ENTRYPOINT ["entrypoint.bash"]
CMD ["ros2", "launch", "vlsam_ros", "detector.launch.py", "profile:=jetson"]
