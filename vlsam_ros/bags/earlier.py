"""Our messages as version 0.1 had them, so that its recordings are read."""

from __future__ import annotations

DEFINITIONS = {
    "InstanceMask": """
        uint32 x
        uint32 y
        uint32 width
        uint32 height
        uint32[] runs
    """,
    "DetectedInstance": """
        string track_id
        string label
        float32 score
        float32 attention_score
        float32 iou_score
        float32 consistency_score
        float32 certainty_score
        float32 x_min
        float32 y_min
        float32 x_max
        float32 y_max
        InstanceMask mask
        uint8 hazard_class
        bool has_ground_point
        geometry_msgs/Point ground_point
        string view
        string source
        string reason
    """,
    "DetectedInstanceArray": """
        std_msgs/Header header
        uint32 image_width
        uint32 image_height
        string camera
        uint64 keyframe
        builtin_interfaces/Time started
        builtin_interfaces/Time finished
        float32 age_s
        uint8 status
        string status_text
        string[] skipped
        string vlm
        string segmenter
        string grounder
        bool demonstration
        DetectedInstance[] instances
    """,
}
"""Fields by the message's name; constants are left out."""
