// Decoder for vlsam_ros/msg/InstanceMask. Header only, C++17, no dependency: `Mask` is the message or any struct with
// its fields x, y, width, height and runs.
//
//   std::vector<std::uint8_t> roi;                                   // row-major, width * height
//   vlsam_ros::decode_mask(instance.mask, roi);
//   vlsam_ros::paste_mask(instance.mask, image.data, 1920, 1080);    // or into a buffer of the whole image
//
// All throw std::invalid_argument on a malformed mask, and then leave their output as it was.

#ifndef VLSAM_ROS__MASK_HPP_
#define VLSAM_ROS__MASK_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace vlsam_ros
{

/// Largest image, region, and sum of a message's regions, px: above any camera, below what would exhaust the memory.
constexpr std::uint64_t kMaxMaskPixels = std::uint64_t{1} << 28;

/// Number of pixels in the region of interest. Throws unless the runs fill exactly that many.
template<typename Mask>
std::size_t check_mask(const Mask & mask)
{
  const std::uint64_t size = std::uint64_t{mask.width} * mask.height;
  const std::string region = std::to_string(mask.width) + " x " + std::to_string(mask.height);
  if (size > kMaxMaskPixels) {
    throw std::invalid_argument(
            "mask region of " + region + " px, expected at most " + std::to_string(kMaxMaskPixels) + " px");
  }
  if (mask.runs.size() > size + 1) {
    throw std::invalid_argument(
            "mask of " + std::to_string(mask.runs.size()) + " runs, expected at most " + std::to_string(size + 1) +
            " in " + region + " px");
  }
  std::uint64_t sum = 0;
  for (const std::uint32_t run : mask.runs) {
    sum += run;
    if (sum > size) {
      break;
    }
  }
  if (sum != size) {
    throw std::invalid_argument(
            "mask runs sum to " + std::string(sum > size ? "more than " : "") +
            std::to_string(std::min(sum, size)) + ", expected " + region + " = " + std::to_string(size));
  }
  return static_cast<std::size_t>(size);
}

/// Throws unless the region lies in an image of that size.
template<typename Mask>
void check_region(const Mask & mask, std::uint64_t image_width, std::uint64_t image_height)
{
  if (std::uint64_t{mask.x} + mask.width > image_width || std::uint64_t{mask.y} + mask.height > image_height) {
    throw std::invalid_argument(
            "mask region " + std::to_string(mask.width) + " x " + std::to_string(mask.height) + " at (" +
            std::to_string(mask.x) + ", " + std::to_string(mask.y) + ") does not fit the image of " +
            std::to_string(image_width) + " x " + std::to_string(image_height));
  }
}

/// Number of pixels that belong to the object.
template<typename Mask>
std::size_t mask_area(const Mask & mask)
{
  check_mask(mask);
  std::size_t area = 0;
  for (std::size_t i = 1; i < mask.runs.size(); i += 2) {
    area += mask.runs[i];
  }
  return area;
}

/// Calls visit(column, row_begin, row_end) for each vertical segment of the object, in pixels of the region.
template<typename Mask, typename Visit>
void for_each_segment(const Mask & mask, Visit && visit)
{
  check_mask(mask);
  const std::size_t height = mask.height;
  std::size_t at = 0;
  bool inside = false;
  for (const std::size_t run : mask.runs) {
    const std::size_t end = at + run;
    while (inside && at < end) {  // a run goes on at the top of the next column
      const std::size_t row = at % height;
      const std::size_t row_end = std::min(height, row + (end - at));
      visit(at / height, row, row_end);
      at += row_end - row;
    }
    at = end;
    inside = !inside;
  }
}

/// Decodes the region into `roi`, row-major, height rows of width pixels: `value` on the object, 0 elsewhere.
template<typename Mask>
void decode_mask(const Mask & mask, std::vector<std::uint8_t> & roi, std::uint8_t value = 1)
{
  roi.assign(check_mask(mask), 0);
  const std::size_t width = mask.width;
  for_each_segment(
    mask, [&](std::size_t column, std::size_t row, std::size_t row_end) {
      for (; row < row_end; ++row) {
        roi[row * width + column] = value;
      }
    });
}

/// Writes `value` to the object's pixels in a row-major buffer of the whole image; other pixels stay as they are.
template<typename Mask>
void paste_mask(
  const Mask & mask, std::vector<std::uint8_t> & image, std::size_t image_width, std::size_t image_height,
  std::uint8_t value = 255)
{
  if (image_width != 0 && image.size() / image_width < image_height) {
    throw std::invalid_argument(
            "image buffer of " + std::to_string(image.size()) + " bytes, expected " +
            std::to_string(image_width) + " x " + std::to_string(image_height));
  }
  check_region(mask, image_width, image_height);
  const std::size_t left = mask.x, top = mask.y;
  for_each_segment(
    mask, [&](std::size_t column, std::size_t row, std::size_t row_end) {
      for (; row < row_end; ++row) {
        image[(top + row) * image_width + left + column] = value;
      }
    });
}

}  // namespace vlsam_ros

#endif  // VLSAM_ROS__MASK_HPP_
