// Checks for vlsam_ros/msg/DetectedInstanceArray, the same as Python's. Header only, C++17, no dependency: `Message` is
// the message or any struct with its fields and constants.
//
//   if (!vlsam_ros::fresh(message, now().seconds(), 2.0)) {return;}   // failed, stale or unknown: nothing is known
//   vlsam_ros::check_detections(message);                             // throws std::invalid_argument

#ifndef VLSAM_ROS__DETECTIONS_HPP_
#define VLSAM_ROS__DETECTIONS_HPP_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>

#include "vlsam_ros/mask.hpp"

namespace vlsam_ros
{

/// Most instances of one message.
constexpr std::size_t kMaxInstances = 1000;
/// Longest label, in characters of UTF-8.
constexpr std::size_t kMaxLabelChars = 128;
/// Longest id of a track, in characters of UTF-8.
constexpr std::size_t kMaxTrackIdChars = 64;
/// Most answers of one message.
constexpr std::size_t kMaxAnswers = 1000;
/// Longest of an answer's texts, in characters of UTF-8.
constexpr std::size_t kMaxLineChars = 500;
/// How far a box may be from its mask's edges, px: boxes are sub-pixel.
constexpr float kBoxPx = 1.0f;
/// By how much an angle in float may be beyond its range, and entries of a covariance may differ as shares.
constexpr double kRounded = 1e-6;
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
  return known && message.status <= Message::STATUS_UNFAMILIAR && age(message.header.stamp, now_s) <= max_age_s;
}

/// Code points from first to last.
struct CodePoints
{
  std::uint32_t first, last;
};

/// Code points that nobody sees and something may obey, as in vlsam_ros/output/text.py: controls, formats, surrogates,
/// private ones, separators but the space, and what Unicode keeps for more of them.
constexpr CodePoints kHidden[] = {
    {0x0000, 0x001F}, {0x007F, 0x00A0}, {0x00AD, 0x00AD}, {0x0600, 0x0605}, {0x061C, 0x061C}, {0x06DD, 0x06DD},
    {0x070F, 0x070F}, {0x0890, 0x0891}, {0x08E2, 0x08E2}, {0x1680, 0x1680}, {0x180E, 0x180E}, {0x2000, 0x200F},
    {0x2028, 0x202F}, {0x205F, 0x206F}, {0x3000, 0x3000}, {0xD800, 0xF8FF}, {0xFDD0, 0xFDEF}, {0xFEFF, 0xFEFF},
    {0xFFF0, 0xFFFB}, {0xFFFE, 0xFFFF}, {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F},
    {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE00FF}, {0xE01F0, 0xE0FFF}, {0xF0000, 0x10FFFF},
};

/// Code points that may stand in a label, but alone leave it empty to the eye.
constexpr CodePoints kBlank[] = {
    {0x0020, 0x0020}, {0x034F, 0x034F}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180D}, {0x180F, 0x180F},
    {0x2800, 0x2800}, {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFFA0, 0xFFA0}, {0xE0100, 0xE01EF},
};

/// Whether a code point is in a table.
template<std::size_t Size>
bool one_of(const CodePoints (&table)[Size], std::uint32_t code_point)
{
  return std::any_of(
    std::begin(table), std::end(table),
    [&](const CodePoints & range) {return range.first <= code_point && code_point <= range.last;});
}

/// The code point that begins at byte `at`, which is moved behind it. Throws unless it is UTF-8: surrogates and longer
/// forms than needed are not.
inline std::uint32_t next_code_point(const std::string & text, std::size_t & at)
{
  const std::size_t begin = at;
  const unsigned lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) {
    return lead;
  }
  const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  std::uint32_t result = lead & (0x3Fu >> more);
  bool right = lead >= 0xC2 && lead <= 0xF4 && more <= text.size() - at;
  for (std::size_t i = 0; right && i < more; ++i) {
    const unsigned byte = static_cast<unsigned char>(text[at++]);
    right = (byte & 0xC0) == 0x80;
    result = result << 6 | (byte & 0x3F);
  }
  const std::uint32_t least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
  if (!right || result < least || result > 0x10FFFF || (result >= 0xD800 && result <= 0xDFFF)) {
    throw std::invalid_argument("text that is not UTF-8 at byte " + std::to_string(begin));
  }
  return result;
}

/// Throws unless a text is UTF-8 of at most `most` characters, none of them hidden. Whether any of them can be seen.
inline bool check_text(const std::string & text, std::size_t most, const std::string & name)
{
  const std::string expected = ", expected at most " + std::to_string(most) + " characters";
  if (text.size() > 4 * most) {
    throw std::invalid_argument(name + " of " + std::to_string(text.size()) + " bytes" + expected);
  }
  std::size_t characters = 0;
  bool blank = true;
  for (std::size_t at = 0; at < text.size(); ++characters) {
    const std::size_t begin = at;
    const std::uint32_t code_point = next_code_point(text, at);
    if (one_of(kHidden, code_point)) {
      throw std::invalid_argument(
              name + " with a control character or an invisible mark at byte " + std::to_string(begin));
    }
    blank = blank && one_of(kBlank, code_point);
  }
  if (characters > most) {
    throw std::invalid_argument(name + " of " + std::to_string(characters) + " characters" + expected);
  }
  return !blank;
}

/// Throws unless the label is UTF-8 of 1 to kMaxLabelChars characters, none of them hidden and not all of them blank.
inline void check_label(const std::string & label)
{
  if (!check_text(label, kMaxLabelChars, "label")) {
    throw std::invalid_argument("label that is blank");
  }
}

/// Throws unless a track's id can be read and it was seen at most as often as looked for.
template<typename Instance>
void check_track(const Instance & instance)
{
  check_text(instance.track_id, kMaxTrackIdChars, "track id");
  if (instance.seen > instance.looked || !(instance.unseen_s >= 0.0f && std::isfinite(instance.unseen_s))) {
    throw std::invalid_argument(
            instance.label + ": track seen " + std::to_string(instance.seen) + " of " +
            std::to_string(instance.looked) + " times, unseen for " + std::to_string(instance.unseen_s) + " s");
  }
}

/// Throws unless all that is said of a place goes together: no point without a distance, no distance without a bearing,
/// and each of them whole, or NaN.
template<typename Instance>
void check_place(const Instance & instance)
{
  constexpr double kPi = 3.14159265358979323846;
  const auto unknown = [](float value) {return std::isnan(value);};
  const float low = instance.distance_min, distance = instance.distance, high = instance.distance_max;
  const bool bearing = std::abs(instance.azimuth) <= kPi + kRounded &&
    std::abs(instance.elevation) <= kPi / 2 + kRounded;
  if (!bearing && !(unknown(instance.azimuth) && unknown(instance.elevation))) {
    throw std::invalid_argument(instance.label + ": bearing that is none");
  }
  const bool known = bearing && low >= 0.0f && low <= distance && distance <= high && std::isfinite(distance);
  if (!known && !(unknown(low) && unknown(distance) && unknown(high))) {
    throw std::invalid_argument(instance.label + ": distance without a bearing, or outside its interval");
  }
  if (!instance.has_ground_point) {
    return;
  }
  const auto & point = instance.ground_point;
  const auto & covariance = instance.ground_covariance;
  bool right = known && std::isfinite(point.x) && std::isfinite(point.y) && std::isfinite(point.z);
  for (std::size_t row = 0; row < 3; ++row) {
    right = right && covariance[4 * row] >= 0.0;
    for (std::size_t column = 0; column < 3; ++column) {
      const double one = covariance[3 * row + column], other = covariance[3 * column + row];
      right = right && std::isfinite(one) &&
        std::abs(one - other) <= kRounded * std::max(std::abs(one), std::abs(other));
    }
  }
  if (!right) {
    throw std::invalid_argument(
            instance.label + ": ground point without a distance, or not finite, or with a wrong covariance");
  }
}

/// Throws unless the box is that of its mask to within kBoxPx; the box of an empty mask has no area.
template<typename Instance>
void check_box(const Instance & instance)
{
  const auto & mask = instance.mask;
  std::size_t left = mask.width, top = mask.height, right = 0, bottom = 0;
  for_each_segment(
    mask, [&](std::size_t column, std::size_t row, std::size_t row_end) {
      left = std::min(left, column);
      right = std::max(right, column + 1);
      top = std::min(top, row);
      bottom = std::max(bottom, row_end);
    });
  const auto near = [](float value, std::uint64_t offset, std::size_t edge) {
      return std::abs(value - static_cast<float>(offset + edge)) <= kBoxPx;
    };
  const bool flat = !((instance.x_max - instance.x_min) * (instance.y_max - instance.y_min) > 0.0f);
  if (right == 0 ? !flat :
    !(near(instance.x_min, mask.x, left) && near(instance.x_max, mask.x, right) &&
    near(instance.y_min, mask.y, top) && near(instance.y_max, mask.y, bottom)))
  {
    throw std::invalid_argument(instance.label + ": box that is not the mask's");
  }
}

/// Throws unless each way is a known one, comes once, and says a score and an IoU in [0, 1].
template<typename Instance>
void check_witnesses(const Instance & instance)
{
  const std::array<std::string, 3> ways{"attention", "grounder", "native"};
  std::array<bool, 3> seen{};
  for (const auto & witness : instance.witnesses) {
    const auto place = std::find(ways.begin(), ways.end(), witness.way);
    const bool shares = witness.score >= 0.0f && witness.score <= 1.0f && witness.iou >= 0.0f && witness.iou <= 1.0f;
    if (place == ways.end() || !shares || std::exchange(seen[place - ways.begin()], true)) {
      throw std::invalid_argument(instance.label + ": a witness that is unknown, comes twice, or says more than 1");
    }
  }
}

/// Throws unless label, scores in [0, 1], witnesses, box, mask, track and place of an instance are right in an image of
/// that size.
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
  check_witnesses(instance);
  check_region(instance.mask, image_width, image_height);
  check_box(instance);
  check_track(instance);
  check_place(instance);
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
  if (message.answers.size() > kMaxAnswers) {
    throw std::invalid_argument(
            std::to_string(message.answers.size()) + " answers, expected at most " + std::to_string(kMaxAnswers));
  }
  for (const auto & answer : message.answers) {
    for (const std::string * text : {&answer.view, &answer.question, &answer.text}) {
      check_text(*text, kMaxLineChars, "answer");
    }
  }
}

}  // namespace vlsam_ros

#endif  // VLSAM_ROS__DETECTIONS_HPP_
