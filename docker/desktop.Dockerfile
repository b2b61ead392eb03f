# syntax=docker/dockerfile:1
# x86-64 with an NVIDIA card (driver 580 or newer for CUDA 13), or any CPU; Jazzy. From the project's root:
#     docker build -f docker/desktop.Dockerfile -t vlsam_ros:desktop .
# No CUDA image underneath: torch's wheels bring CUDA, the container toolkit the driver.
FROM ros:jazzy-ros-base AS base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

WORKDIR /opt/build/src/vlsam_ros
COPY package.xml .
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths . --ignore-src -y \
    && apt-get install -y --no-install-recommends python3-venv "ros-$ROS_DISTRO-foxglove-bridge" \
        "ros-$ROS_DISTRO-image-transport-plugins" "ros-$ROS_DISTRO-v4l2-camera" \
    && rm -rf /var/lib/apt/lists/*

# https://download.pytorch.org/whl/cu126 for older drivers, …/cpu for none
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu130
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
# That of the host's user, so that both may use each other's shared memory. The base image has given 1000 away.
ARG UID=1000
RUN if id ubuntu; then userdel --remove ubuntu; fi && useradd --uid "$UID" --create-home --groups video ros
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
CMD ["ros2", "launch", "vlsam_ros", "detector.launch.py", "profile:=desktop"]
