// Checks for vlsam_ros/msg/DetectedInstanceArray, the same as Python's. Header only, C++17, no dependency: `Message` is
// the message or any struct with its fields and constants.
//
//   if (!vlsam_ros::fresh(message, now().seconds(), 2.0)) {return;}   // failed, stale or unknown: nothing is known
//   vlsam_ros::check_detections(message);                             // throws std::invalid_argument

#ifndef VLSAM_ROS__DETECTIONS_HPP_
#define VLSAM_ROS__DETECTIONS_HPP_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "vlsam_ros/mask.hpp"

namespace vlsam_ros
{

/// Most instances of one message.
constexpr std::size_t kMaxInstances = 1000;
/// Longest label, in characters of UTF-8.
constexpr std::size_t kMaxLabelChars = 128;
/// How far an image's stamp may be ahead of the clock, s: clocks differ. Beyond it nothing is known about its age.
constexpr double kFutureSeconds = 0.5;

/// Seconds from an image's stamp to `now_s`; NaN without a clock (0), without a stamp, or with one from the future.
template<typename Stamp>
double age(const Stamp & stamp, double now_s)
{
  const double stamp_s = static_cast<double>(stamp.sec) + static_cast<double>(stamp.nanosec) * 1e-9;
  const bool known = std::isfinite(now_s) && now_s > 0 && stamp_s > 0 && stamp_s - now_s <= kFutureSeconds;
  return known ? now_s - stamp_s : std::nan("");
}

/// Whether the message says something about the road as it is now: false if the frame failed, if it is older than
/// `max_age_s`, and if its age isn't or wasn't known. To be asked when the message is read, with the reader's clock.
template<typename Message>
bool fresh(const Message & message, double now_s, double max_age_s)
{
  const bool known = !std::isnan(message.age_s);  // NaN: the detector itself could not tell
  return known && message.status <= Message::STATUS_PARTIAL && age(message.header.stamp, now_s) <= max_age_s;
}

/// Throws unless the label is of 1 to kMaxLabelChars characters, none of them a control character or an invisible mark.
inline void check_label(const std::string & label)
{
  std::size_t characters = 0;
  for (std::size_t i = 0; i < label.size(); ++i) {
    const auto byte = [&](std::size_t at) {
        return at < label.size() ? static_cast<unsigned char>(label[at]) : 0u;
      };
    const unsigned one = byte(i), two = byte(i + 1), three = byte(i + 2);
    characters += (one & 0xC0) != 0x80;
    if (one < 0x20 || one == 0x7F ||                                  // ASCII's controls
      (one == 0xC2 && (two <= 0xA0 || two == 0xAD)) ||                // Latin's, no-break space, soft hyphen
      (one == 0xE2 && two == 0x80 && (three < 0x90 || (three >= 0xA8 && three < 0xB0))) ||  // zero width, directions
      (one == 0xE2 && two == 0x81 && three >= 0x9F && three < 0xB0) ||
      (one == 0xEF && two == 0xBB && three == 0xBF))
    {
      throw std::invalid_argument("label with a control character or an invisible mark at byte " + std::to_string(i));
    }
  }
  if (characters == 0 || characters > kMaxLabelChars) {
    throw std::invalid_argument(
            "label of " + std::to_string(characters) + " characters, expected 1 to " + std::to_string(kMaxLabelChars));
  }
}

/// Throws unless label, scores in [0, 1], box and mask of an instance are right and lie in an image of that size.
template<typename Instance>
void check_instance(const Instance & instance, std::uint64_t image_width, std::uint64_t image_height)
{
  check_label(instance.label);
  for (const float score : {instance.score, instance.attention_score, instance.iou_score,
      instance.consistency_score, instance.certainty_score})
  {
    if (!(score >= 0.0f && score <= 1.0f)) {
      throw std::invalid_argument(instance.label + ": score " + std::to_string(score) + ", expected 0 to 1");
    }
  }
  const auto within = [](float low, float high, std::uint64_t size) {
      return low >= 0.0f && low <= high && high <= static_cast<float>(size);
    };
  if (!within(instance.x_min, instance.x_max, image_width) || !within(instance.y_min, instance.y_max, image_height)) {
    throw std::invalid_argument(instance.label + ": box outside the image");
  }
  check_region(instance.mask, image_width, image_height);
  check_mask(instance.mask);
}

/// Throws std::invalid_argument unless all of the message is what its definition says, and small enough to be decoded:
/// after it, every mask may be. Nothing is decoded here.
template<typename Message>
void check_detections(const Message & message)
{
  const std::uint64_t width = message.image_width, height = message.image_height;
  if (width * height > kMaxMaskPixels || message.instances.size() > kMaxInstances) {
    throw std::invalid_argument(
            "image of " + std::to_string(width) + " x " + std::to_string(height) + " px with " +
            std::to_string(message.instances.size()) + " instances, expected at most " +
            std::to_string(kMaxMaskPixels) + " px and " + std::to_string(kMaxInstances));
  }
  std::uint64_t pixels = 0;
  for (const auto & instance : message.instances) {
    check_instance(instance, width, height);
    pixels += std::uint64_t{instance.mask.width} * instance.mask.height;
  }
  if (pixels > kMaxMaskPixels) {
    throw std::invalid_argument(
            "mask regions of " + std::to_string(pixels) + " px together, expected at most " +
            std::to_string(kMaxMaskPixels));
  }
}

}  // namespace vlsam_ros

#endif  // VLSAM_ROS__DETECTIONS_HPP_
